"""Progress of the Maps on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from parallelflow.progress import RunState, Snapshot, listen
from parallelflow.wording import count

from .progress_mode import ProgressMode

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["ProgressDisplay", "plain_line"]

# The clock in the bar goes on while an element takes long; twice a second looks alive.
REFRESH_SECONDS = 0.5
# Lines for logs: one per tenth of the elements, but no more often than this ...
LINE_SECONDS = 2.0
# ... and after this long without one, a line even if less than a tenth was done.
QUIET_SECONDS = 60.0

# The size that terminals have had since they were no longer teletypes.
UNKNOWN_COLUMNS, UNKNOWN_LINES = 80, 24

# Narrow terminals keep the numbers, the bar itself gives way.
_BAR = (
    "{{desc}} {{percentage:3.0f}}%|{{bar}}| {{n_fmt}}/{{total_fmt}} {unit}, {{elapsed}}, "
    "{{remaining}} left{{postfix}}"
)
_WAITING = "{{desc}} |{{bar}}| {{n_fmt}}/{{total_fmt}} {unit}, {{elapsed}}{{postfix}}"


class ProgressDisplay:
    """Shows the progress of every Map of this process, and keeps the last of each.

    Parameters
    ----------
    stream : text file
        Where it is shown.
    unit : str
        What is counted, in the plural.
    options : Namespace, optional
        The command's, which may say how it is shown; else a bar if the stream is a terminal,
        lines if not.
    progress : bool
        Whether progress is shown; messages are in any case.
    """

    def __init__(
        self,
        stream: TextIO,
        unit: str = "elements",
        options: Namespace | None = None,
        progress: bool = True,
    ) -> None:
        self.stream = stream
        self.mode = ProgressMode.of(stream, options)
        if not progress and self.mode.shows_progress:
            self.mode = ProgressMode.NONE
        self._unit = unit
        self._waiting, self._running = _WAITING.format(unit=unit), _BAR.format(unit=unit)
        self.last: dict[int, Snapshot] = {}
        """The latest snapshot of each run, in the order they began."""
        self._has_bar = self.mode is ProgressMode.BAR
        self._bar: tqdm[object] | None = None
        self._bar_run = 0
        self._running_since: float | None = None
        self._line_time = 0.0
        self._line_tenth = 0
        self._hidden = False

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress within the block; what is printed in it stays above the bar."""
        stop = listen(self.see)
        clock = threading.Event()
        if self._has_bar:
            threading.Thread(target=self._tick, args=(clock,), daemon=True).start()
        try:
            with contextlib.ExitStack() as stack:
                if self._has_bar and sys.stdout.isatty():
                    stdout = sys.stdout
                    above = _AboveTheBar(stdout, self._write_above)
                    stack.callback(above.flush_rest)
                    stack.enter_context(contextlib.redirect_stdout(above))
                yield
        finally:
            stop()
            clock.set()
            self._close()

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Keep progress away within the block, in which the user is asked something."""
        self._hidden = True
        if (bar := self._bar) is not None:
            bar.clear()
        try:
            yield
        finally:
            self._hidden = False
            if self._has_bar and self.last:
                self._see_bar(next(reversed(self.last.values())))

    _last_message = ""

    def message(self, text: str) -> None:
        """Show a line, above the bar if there is one."""
        self._last_message = text
        with self._above():
            self.stream.write(f"parallelflow: {text}\n")
            self.stream.flush()

    def line(self, text: str) -> None:
        """Show a line as it is, above the bar if there is one."""
        self._write_above(self.stream, f"{text}\n")

    def see(self, snapshot: Snapshot) -> None:
        """Take in what a run announces."""
        known = self.last.get(snapshot.run)
        self.last[snapshot.run] = snapshot
        # A run's note stands in the log, too, which is shown as well.
        if (
            snapshot.note not in ("", self._last_message, known.note if known else "")
            and self.mode is not ProgressMode.QUIET
        ):
            self.message(snapshot.note)
        if self._hidden:
            return
        if self._has_bar:
            self._see_bar(snapshot)
        elif self.mode is ProgressMode.LINES:
            self._see_line(snapshot, first=known is None)

    # -- the bar ----------------------------------------------------------------------

    def _see_bar(self, snapshot: Snapshot) -> None:
        bar = self._bar
        if bar is None or self._bar_run != snapshot.run:
            self._close()
            if snapshot.state.is_finished:
                return
            columns = _columns(self.stream)
            bar = self._bar = _tqdm()(
                total=snapshot.total,
                desc=snapshot.label,
                file=self.stream,
                bar_format=self._waiting,
                smoothing=0,  # time left from the average pace: elements differ in length
                ncols=columns,
                nrows=None if columns is None else UNKNOWN_LINES,
                dynamic_ncols=columns is None,
                leave=False,
            )
            self._bar_run = snapshot.run
            bar.set_postfix_str("waiting for engines", refresh=False)
        if snapshot.state is not RunState.PREPARING and bar.bar_format == self._waiting:
            bar.bar_format = self._running
            # The pace is that of the elements, not of the start of the engines.
            bar.start_t = bar.last_print_t = time.time() - snapshot.running_seconds
        if snapshot.state is RunState.RUNNING:
            bar.set_postfix_str(_engines(snapshot.engines), refresh=False)
        bar.n = snapshot.done + snapshot.failed
        bar.refresh()
        if snapshot.state.is_finished:
            self._close()

    def _tick(self, clock: threading.Event) -> None:
        while not clock.wait(REFRESH_SECONDS):
            if (bar := self._bar) is not None and not self._hidden:
                bar.refresh()

    def _close(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _above(self) -> contextlib.AbstractContextManager[object]:
        if self._bar is None or self._hidden:
            return contextlib.nullcontext()
        above: contextlib.AbstractContextManager[object] = _tqdm().external_write_mode(
            file=self.stream
        )
        return above

    def _write_above(self, stream: TextIO, text: str) -> None:
        with self._above():
            stream.write(text)
            stream.flush()

    # -- lines ------------------------------------------------------------------------

    def _see_line(self, snapshot: Snapshot, first: bool) -> None:
        now = time.monotonic()
        finished = snapshot.done + snapshot.failed
        tenth = 10 * finished // snapshot.total if snapshot.total else 10
        if first:
            self._line_tenth, self._running_since = 0, None
        if self._running_since is None and snapshot.state is not RunState.PREPARING:
            self._running_since = now - snapshot.running_seconds
        waited = now - self._line_time
        due = waited >= (LINE_SECONDS if tenth > self._line_tenth else QUIET_SECONDS)
        # The end has its line when the run is over.
        if first or (due and tenth < 10) or snapshot.state is RunState.DONE:
            self._line_time, self._line_tenth = now, tenth
            running = now - self._running_since if self._running_since is not None else 0.0
            self.stream.write(f"parallelflow: {plain_line(snapshot, running, self._unit)}\n")
            self.stream.flush()


def _columns(terminal: TextIO) -> int | None:
    """Return the width for terminals that do not know their size, None for those that do."""
    # Terminals of containers and of continuous integration may say 0, of their lines as well.
    with contextlib.suppress(OSError, ValueError):
        size = os.get_terminal_size(terminal.fileno())
        if size.columns > 0:
            return None if size.lines > 0 else size.columns
    return UNKNOWN_COLUMNS


def plain_line(snapshot: Snapshot, running: float, unit: str = "elements") -> str:
    """Say in one line where a run stands.

    Parameters
    ----------
    snapshot : Snapshot
        What is known of it.
    running : float
        How long its elements have been running, seconds.
    unit : str
        What is counted, in the plural.

    Returns
    -------
    str
        Such as ``Map: 14/28 elements (50 %), 00:06 left, 2 engines``.
    """
    finished = snapshot.done + snapshot.failed
    if snapshot.state is RunState.PREPARING:
        return f"{snapshot.label}: {snapshot.total} {unit}, waiting for engines"
    share = 100 * finished // snapshot.total if snapshot.total else 100
    line = f"{snapshot.label}: {finished}/{snapshot.total} {unit} ({share} %)"
    if finished and not snapshot.state.is_finished:
        left = running / finished * (snapshot.total - finished)
        line += f", {_tqdm().format_interval(left)} left"
    return ", ".join(filter(None, [line, _engines(snapshot.engines)]))


def _tqdm() -> Any:
    """Return tqdm's class, which few commands need, and which asks for its version by all files."""
    from tqdm import tqdm

    return tqdm


def _engines(number: int) -> str:
    return count(number, "engine") if number else ""


class _AboveTheBar(io.TextIOBase):
    """Standard output while a bar is shown: whole lines go above it.

    Parameters
    ----------
    stream : text file
        The real standard output.
    write_above : callable
        Writes text to a stream while the bar is out of the way.
    """

    def __init__(self, stream: TextIO, write_above: Callable[[TextIO, str], None]) -> None:
        self._stream = stream
        self._write_above = write_above
        self._rest = ""

    def write(self, text: str) -> int:
        """Write the lines that are complete; keep the rest."""
        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._write_above(self._stream, lines + newline)
        return len(text)

    def writable(self) -> bool:
        """Whether it can be written to: yes."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal, as the real one."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the real standard output's file descriptor."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The real standard output's encoding."""
        return self._stream.encoding

    def flush_rest(self) -> None:
        """Write what has no newline yet."""
        if self._rest:
            self._write_above(self._stream, self._rest)
            self._rest = ""
