"""How far a start of engines has come, on a terminal or in a file."""

from __future__ import annotations

from argparse import Namespace
from types import TracebackType
from typing import TextIO

from parallelflow.engine_manager.model import Stage, StartSnapshot
from parallelflow.wording import count

from .progress_mode import ProgressMode

__all__ = ["StartDisplay"]

BEGIN_AND_CLEAR = "\r\x1b[K"


class StartDisplay:
    """One line that changes on a terminal; a line for each step elsewhere.

    Parameters
    ----------
    stream : TextIO
        Where to write.
    options : Namespace, optional
        The command's, which may say how it is shown.
    """

    def __init__(self, stream: TextIO, options: Namespace | None = None) -> None:
        self._stream = stream
        mode = ProgressMode.of(stream, options)
        self._terminal = mode is ProgressMode.BAR
        self._shown = mode.shows_progress
        self._last = ""

    def __enter__(self) -> StartDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal's line empty: what comes next tells the outcome."""
        self.clear()

    def clear(self) -> None:
        """Clear the terminal's line, for another one in its place."""
        if self._terminal and self._last:
            self._stream.write(BEGIN_AND_CLEAR)
            self._stream.flush()

    def show(self, snapshot: StartSnapshot) -> None:
        """Show a snapshot."""
        text = _text(snapshot)
        if text == self._last or not self._shown:
            return
        self._last = text
        self._stream.write(f"{BEGIN_AND_CLEAR}{text}" if self._terminal else f"{text}\n")
        self._stream.flush()


def _text(snapshot: StartSnapshot) -> str:
    engines = count(len(snapshot.engines), "engine")
    if snapshot.controller in (Stage.WAITING, Stage.STARTED):
        return f"starting a controller on the profile {snapshot.profile} ..."
    if not snapshot.engines:
        return f"a controller runs on the profile {snapshot.profile}"
    counts = [f"{snapshot.count(s)} {s.value}" for s in (Stage.REGISTERED, Stage.READY)]
    told = ", ".join([*snapshot.jobs, *counts])
    return f"starting {engines} on the profile {snapshot.profile}: {told} ..."
