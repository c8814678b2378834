"""Standard output and error of the command: closed, full, or with a reader that has enough."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from parallelflow.engine_manager.system.standard_files import open_standard_files

from . import signals

__all__ = ["OutputFailed", "check_output", "is_terminal", "usable", "watched"]

# What terminals without cursor movement call themselves; Emacs' shell is one.
DUMB = ("dumb", "")
# How often it is looked whether standard output still has a reader: one that has enough should not
# keep engines at work.
READER_SECONDS = 0.5


class OutputFailed(OSError):
    """Standard output cannot be written: the disk is full, for example."""


class _Output(io.FileIO):
    """A standard stream's descriptor, whose failures end the command in good order.

    Parameters
    ----------
    number : int
        The descriptor: 1 or 2.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self._number = number

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write bytes; what cannot be written any more is dropped."""
        _written.add(self._number)
        try:
            while (written := super().write(data)) is None:
                # Not blocking, as another program that has the terminal, too, may make it.
                select.select([], [self._number], [])
            return written
        except BrokenPipeError:
            self._drop_the_rest()
            # Whoever read it has enough, such as head. Others would be ended by SIGPIPE now.
            if not signals.stop(signal.SIGPIPE):
                raise
        except OSError as e:
            self._drop_the_rest()
            if self._number == 1:
                raise OutputFailed(e.errno, e.strerror) from e
            # There is nowhere left to tell it, and the results may be worth more than progress.
        return len(data)

    def _drop_the_rest(self) -> None:
        """Send what follows nowhere, so that Python's own flush at exit does not fail again."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._number)
        os.close(null)


@contextlib.contextmanager
def usable() -> Iterator[None]:
    """Write to standard output and error by `_Output` within the block, if they are the real ones.

    Characters that their encoding lacks are written by their numbers.
    """
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_guarded(s, n) for n, s in enumerate(before, 1))
    try:
        yield
    finally:
        ours = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = before
        for stream in reversed(ours):  # standard error first: it never fails for a full disk
            stream.flush()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """End the command within the block when the reader of its standard output goes.

    Not before something has been written: until then nobody can tell whether it is needed.
    """
    ended = threading.Event()
    thread = threading.Thread(
        target=_watch_reader, args=(ended,), name="parallelflow-reader", daemon=True
    )
    if hasattr(select, "poll") and _is_pipe(1):
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread.ident is not None:
            thread.join()


def _watch_reader(ended: threading.Event) -> None:
    poll = select.poll()
    poll.register(1, 0)  # errors alone, which are what a pipe without a reader has
    while not ended.wait(READER_SECONDS):
        if 1 in _written and poll.poll(0):
            signals.stop(signal.SIGPIPE)
            return


def _is_pipe(number: int) -> bool:
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def check_output() -> None:
    """Raise if something was written to standard output, which was closed from the beginning.

    For commands that are run for what they print: it is lost, as on a full disk.

    Raises
    ------
    OutputFailed
        As for any other output that cannot be written.
    """
    sys.stdout.flush()
    if 1 in _closed & _written:
        raise OutputFailed(errno.EBADF, os.strerror(errno.EBADF))


# The numbers of standard streams that were closed, and of those to which something was written.
_closed: set[int] = set()
_written: set[int] = set()


def _open_closed() -> None:
    """Make standard streams that were closed the null device, for Python as for the system."""
    open_standard_files()
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            _closed.add(number)
            stream = open(number, mode, closefd=False, errors="backslashreplace")  # noqa: SIM115
            setattr(sys, name, stream)


def _guarded(stream: TextIO, number: int) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper) or _number(stream) != number:
        return stream  # somebody's own, such as a test's
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(number)),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or number == 2,
        write_through=stream.write_through,
    )


def _number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def is_terminal(stream: TextIO) -> bool:
    """Return whether a line of a stream can be written over: a terminal that is not dumb."""
    return stream.isatty() and os.environ.get("TERM") not in DUMB
