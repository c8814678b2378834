"""A progress bar for whoever calls the api: in a notebook, or on standard error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from parallelflow.progress import RunState, Snapshot, listen
from parallelflow.wording import count

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["ProgressBar"]

_FORMAT = (
    "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {elapsed}, {remaining} left{postfix}"
)


class ProgressBar:
    """Shows snapshots of one run as a bar, which closes itself when the run is over."""

    def __init__(self) -> None:
        self._bar: tqdm[object] | None = None
        self._run = -1
        self._stop: Callable[[], None] = lambda: None

    def __call__(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        if self._bar is None:
            self._bar = _bar(snapshot)
            self._run = snapshot.run
            # A run that is cancelled is over without a last call with its snapshot.
            self._stop = listen(self._see)
        self._see(snapshot)

    def _see(self, snapshot: Snapshot) -> None:
        if snapshot.run != self._run or self._bar is None:
            return
        self._show(snapshot)
        if snapshot.state.is_finished:
            self._stop()
            self._bar.close()

    def _show(self, snapshot: Snapshot) -> None:
        bar = self._bar
        assert bar is not None
        # The length of what is read as it goes is not known before its end.
        bar.total = snapshot.total
        bar.n = snapshot.done + snapshot.failed
        notes = []
        if snapshot.state is RunState.PREPARING:
            notes.append("waiting for engines")
        elif snapshot.engines:
            notes.append(count(snapshot.engines, "engine"))
        if snapshot.failed:
            notes.append(f"{snapshot.failed} failed")
        bar.set_postfix_str(", ".join(notes), refresh=False)
        bar.refresh()


def _bar(snapshot: Snapshot) -> tqdm[object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a notebook lacks widgets: the bar is text then
        from tqdm.auto import tqdm

        return tqdm(total=snapshot.total, desc=snapshot.label, bar_format=_FORMAT, smoothing=0)
