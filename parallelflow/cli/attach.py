"""``parallelflow attach`` and ``cancel``: look at a run without a terminal, and end it."""

from __future__ import annotations

import codecs
import shlex
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TextIO

import psutil

from parallelflow.checkpoints.folder import when
from parallelflow.errors import UserMistake, printable, shown
from parallelflow.progress import Snapshot
from parallelflow.runs.detached import (
    DetachedRun,
    DetachedState,
    find_detached,
    list_detached,
    read_detached,
)
from parallelflow.runs.detached_progress import read_progress
from parallelflow.system import safe_files
from parallelflow.system.waiting import wait_until

from .exits import Exit
from .messages import tell
from .progress import ProgressDisplay
from .report import RESULT_CHARACTERS
from .signals import GRACE_SECONDS, LAST_RESORT_SECONDS

__all__ = ["attach", "cancel", "end"]

# What the run writes is shown so soon: as fast as its progress is written.
LOOK_SECONDS = 0.2
# A run that is asked to end does so within these; some more for a busy machine.
END_SECONDS = GRACE_SECONDS + LAST_RESORT_SECONDS + 10.0
# So long nothing is said: most end sooner.
QUIET_SECONDS = 3.0
# After SIGKILL only the system's own work is left.
KILL_SECONDS = 5.0
PIECE = 2**20
# Of messages at a time, so that many of them are not in memory together.
PIECES = 16


def attach(options: Namespace) -> int:
    """Show a run's output, messages and progress to its end.

    Returns
    -------
    int
        The run's exit code; 130 if Ctrl-C has ended the look at it.

    Raises
    ------
    UserMistake
        If there is no such run, or it is on another machine.
    """
    run = _chosen(options.run)
    _check_place(run)
    running = run.state() is DetachedState.RUNNING
    end_of_it = "Ctrl-C leaves it running"
    if not running:
        end_of_it = f"it ended {when(run.ended)}" if run.ended else "it has ended"
    if not options.quiet:
        tell(f"run {run.number} of {when(run.began)}: {_command(run)}; {end_of_it}")
    try:
        _follow(run, options)
    except KeyboardInterrupt:
        if run.state() is DetachedState.RUNNING:
            tell(
                f"run {run.number} goes on; 'parallelflow attach {run.number}' shows it again, "
                f"'parallelflow cancel {run.number}' ends it"
            )
        return 128 + signal.SIGINT
    latest = read_detached(run.folder) or run
    state = latest.state()
    if state is DetachedState.LOST:
        tell(
            f"run {run.number} ended without a result: its process ({run.process.pid}) was killed, "
            "or the machine went down. The same command again resumes what has finished."
        )
    if state is DetachedState.CANCELLED:
        tell(f"run {run.number} was cancelled")
    return Exit.FAILED if latest.code is None else latest.code


def cancel(options: Namespace) -> int:
    """End a run as Ctrl-C at its terminal would.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    UserMistake
        If there is no such run, or it is on another machine.
    """
    run = _chosen(options.run)
    _check_place(run)
    state = run.state()
    if state is not DetachedState.RUNNING:
        tell(f"run {run.number} is not running: {state.value}")
        return Exit.FAILED
    if not end(run):
        tell(f"run {run.number} did not end: process {run.process.pid} does not react")
        return Exit.FAILED
    tell(f"run {run.number} is cancelled")
    return Exit.OK


def end(run: DetachedRun) -> bool:
    """End a run's process; what it has started is stopped by it, or by its guard.

    Returns
    -------
    bool
        Whether it has ended.
    """
    for number, seconds in ((signal.SIGTERM, END_SECONDS), (_KILL, KILL_SECONDS)):
        process = run.process.process()  # by its start time, not by its number alone
        if process is None:
            break
        try:
            process.send_signal(number)
            if process.status() == psutil.STATUS_STOPPED:
                process.resume()  # or it would take no signal
        except psutil.Error:
            continue
        if wait_until(lambda: not run.process.alive(), min(seconds, QUIET_SECONDS)):
            break
        tell(f"run {run.number} has not ended yet; it is waited for, {seconds:.0f} s at most")
        if wait_until(lambda: not run.process.alive(), seconds):
            break
    if run.process.alive():
        return False
    latest = read_detached(run.folder)
    if latest is not None and latest.code is None:
        latest.finish(128 + signal.SIGTERM)
    return True


_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def _chosen(text: str | None) -> DetachedRun:
    """Return the run that is meant; without a name the latest one."""
    if text is None:
        runs = list_detached()
        if not runs:
            raise UserMistake("No run was detached: 'parallelflow run --detach FILE' begins one.")
        return runs[-1]
    run = find_detached(int(text)) if text.isdecimal() and len(text) < 10 else None
    if run is None:
        known = ", ".join(str(each.number) for each in list_detached())
        there = f"there are: {known}" if known else "none is under way or kept"
        raise UserMistake(f"There is no detached run {shown(text)}; {there}.")
    return run


def _check_place(run: DetachedRun) -> None:
    if run.state() is DetachedState.ELSEWHERE:
        raise UserMistake(
            f"Run {run.number} is one of the machine {run.host}: attach or cancel it there. What "
            f"it writes is in {run.folder}."
        )


def _command(run: DetachedRun) -> str:
    """Return a run's command as a shell takes it, but for what would not show on a terminal."""
    return printable(shlex.join(["parallelflow", *run.command]))


def _follow(run: DetachedRun, options: Namespace) -> None:
    """Show what a run has written and writes, until it ends."""
    display = ProgressDisplay(sys.stderr, run.unit, options)
    output = _Tail(run.output, sys.stdout, run.encoding)
    messages = _Tail(run.messages, sys.stderr, run.encoding, display)
    seen: dict[int, Snapshot] = {}
    with display.shown():
        output.stream = sys.stdout  # above the bar, if there is one
        while True:
            # Asked first: what was written before the end is shown.
            over = run.state() is not DetachedState.RUNNING
            output.copy(over)
            # The progress that is read now is not older than the messages, and comes before them.
            pieces = list(islice(messages.pieces(), PIECES))
            for _, snapshot in read_progress(run.folder, goes_on=not over):
                known = replace(snapshot, wall_seconds=0.0, running_seconds=0.0)
                if seen.get(snapshot.run) != known:
                    seen[snapshot.run] = known
                    display.see(snapshot)
            messages.write(pieces)
            if over:
                messages.copy(last=True)
                return
            time.sleep(LOOK_SECONDS)


class _Tail:
    """A file that another process writes, copied to a stream as it grows.

    On a terminal by whole lines, so that a progress bar stays below them, and without the rest of
    lines that nobody reads on a screen; elsewhere byte by byte.

    Parameters
    ----------
    path : Path
        The file.
    stream : text file
        Where it goes.
    encoding : str
        The file's.
    display : ProgressDisplay, optional
        What writes to the stream while its bar is out of the way.
    """

    def __init__(
        self, path: Path, stream: TextIO, encoding: str, display: ProgressDisplay | None = None
    ) -> None:
        self._path = path
        self.stream = stream
        self._display = display
        self._bytes = None if stream.isatty() else getattr(stream, "buffer", None)
        self._at = 0
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def copy(self, last: bool) -> None:
        """Copy what has been added; with the last call, the end of a line without a newline too."""
        self.write(self.pieces())
        if last and self._rest:
            self._lines(f"{self._rest}\n")

    def pieces(self) -> Iterator[bytes]:
        """Yield what has been added."""
        while piece := self._next_piece():
            yield piece

    def write(self, pieces: Iterable[bytes]) -> None:
        """Write what has been added."""
        for piece in pieces:
            self._write(piece)

    def _next_piece(self) -> bytes:
        """Return what follows in the file; nothing if it was removed meanwhile."""
        try:
            with safe_files.open_to_read(self._path, links=False, own=True) as file:
                file.seek(self._at)
                piece: bytes = file.read(PIECE)
        except (OSError, safe_files.UnusableFile):
            return b""
        self._at += len(piece)
        return piece

    def _write(self, piece: bytes) -> None:
        if self._bytes is not None:
            self.stream.flush()
            self._bytes.write(piece)
            self._bytes.flush()
            return
        self._lines(self._rest + self._decoder.decode(piece))

    def _lines(self, text: str) -> None:
        whole, newline, self._rest = text.rpartition("\n")
        if not newline:
            return
        for line in whole.split("\n"):
            if len(line) > RESULT_CHARACTERS:
                line = f"{line[:RESULT_CHARACTERS]}... ({len(line)} characters in all)"
            if self._display is not None:
                self._display.line(line)
            else:
                self.stream.write(f"{line}\n")
        self.stream.flush()
