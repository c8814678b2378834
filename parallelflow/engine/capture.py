"""What elements write to stdout and stderr on an engine, and what they warn of.

What Python code writes comes through `streams`. What C code and child processes write to the
descriptors 1 and 2 goes into a file while a chunk runs, and is read after each element. A file and
not a pipe: whoever writes never waits, also if he holds Python's lock meanwhile, and a child that
outlives its element writes on without harm.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
import warnings
from typing import TextIO

from .early_output import EarlyOutput, find_channel
from .libc import flush_stdout
from .stream_text import NAMES
from .streams import ElementStream, Sink

if sys.platform != "win32":
    import fcntl

__all__ = ["Capture"]

# An element that writes more than this to one stream has the rest cut off.
MAX_OUTPUT_BYTES = 100_000
# What is written is looked at so often. What child processes write is cut off where it is more than
# this: one that writes indefinitely must not fill the disk.
LOOK_SECONDS = 0.3
MAX_SPOOL_BYTES = 10_000_000
CUT = b"\n[what more was written is cut off]\n"


class Capture:
    """Collects what elements write to stdout and stderr, by position in the chunk.

    Call `collect` after each element.

    Parameters
    ----------
    outputs : dict
        Filled as `ChunkResult.outputs`.
    first : int
        Index of the chunk's first element.
    """

    def __init__(self, outputs: dict[int, list[tuple[str, str]]], first: int = 0) -> None:
        self.position = 0
        self._first = first
        self._early: EarlyOutput | None = None
        self._outputs = outputs
        # (stream, encoding, bytes)
        self._written: list[tuple[str, str, bytearray]] = []
        self._sizes = dict.fromkeys(NAMES, 0)
        self._fresh_line = True

    def __enter__(self) -> Capture:
        _prepare()
        self._saved = {name: getattr(sys, name) for name in (*NAMES, "__stdout__", "__stderr__")}
        self._saved_warning = warnings.showwarning
        for name in NAMES:
            stream = _stream(name)
            stream.sink.enter(self.add, self._saved[name])
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
            _spools[name].begin()
        # VisTrails has warnings go to its own log, which nobody reads on an engine.
        warnings.showwarning = self._show_warning
        channel = find_channel()
        if channel is not None:
            self._early = EarlyOutput(self._first, self._outputs, channel)
            _running[:] = [self]
        return self

    def __exit__(self, *_: object) -> None:
        _running.clear()
        self.collect()
        for name in NAMES:
            _spools[name].end()
            _streams[name].sink.leave()
        for name, stream in self._saved.items():
            setattr(sys, name, stream)
        warnings.showwarning = self._saved_warning

    def publish(self) -> None:
        """Publish what the current element has written so far; in a thread of its own."""
        # In this order: what was written is replaced before the position changes.
        position, written = self.position, self._written
        if self._early is not None and position == self.position:
            self._early.look(position, written, lambda: self.position)

    def _show_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)

    def add(self, name: str, data: bytes) -> None:
        """Add what the current element has written through Python's stream of this name."""
        # Once a line is enough: what others wrote before it goes before it.
        if self._fresh_line:
            self._add_spooled()
        self._fresh_line = data.endswith(b"\n")
        self._add(name, data)

    def _add(self, name: str, data: bytes) -> None:
        room = MAX_OUTPUT_BYTES - self._sizes[name]
        self._sizes[name] += len(data)
        if room < 0:
            return
        if len(data) > room:
            data = data[:room] + CUT
        encoding = _streams[name].settled_encoding
        if self._written and self._written[-1][:2] == (name, encoding):
            self._written[-1][2].extend(data)
        else:
            self._written.append((name, encoding, bytearray(data)))

    def _add_spooled(self) -> None:
        for name in NAMES:
            spool = _spools[name]
            if spool.has_more():
                self._add(name, spool.read(MAX_OUTPUT_BYTES + 1))

    def collect(self) -> None:
        """Take what the element at `position` has written as complete."""
        flush_stdout()
        for name in NAMES:
            _streams[name].settle()
        self._add_spooled()
        if self._written:
            written = self._outputs[self.position] = []
            for name, encoding, data in self._written:
                text = data.decode(encoding, "backslashreplace")
                if written and written[-1][0] == name:
                    written[-1] = (name, written[-1][1] + text)
                else:
                    written.append((name, text))
            self._written = []
            self._sizes = dict.fromkeys(NAMES, 0)
        self._fresh_line = True


class _Spool:
    """The file that takes what is written to a descriptor while a chunk runs.

    Parameters
    ----------
    descriptor : int
        1 or 2.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0
        self._kept = b""  # of what was cut off
        self._lock = threading.Lock()
        self._file = -1
        self._real = -1
        try:
            self._real = os.dup(descriptor)
            with tempfile.TemporaryFile(buffering=0) as file:
                self._file = os.dup(file.fileno())
            # Whoever writes adds, also after the file was emptied.
            if sys.platform != "win32":
                fcntl.fcntl(self._file, fcntl.F_SETFL, os.O_APPEND)
        except OSError:  # closed, or no room: what others write goes where it always did
            self._file = -1

    def begin(self) -> None:
        if self._file >= 0:
            self._empty()  # what a child has written since the last chunk belongs to no element
            os.dup2(self._file, self._descriptor)

    def end(self) -> None:
        if self._file >= 0:
            os.dup2(self._real, self._descriptor)
            self._empty()

    def has_more(self) -> bool:
        # In a third of the time that os.fstat takes; who adds to a file needs no position in it.
        if self._file < 0:
            return False
        return bool(self._kept) or os.lseek(self._file, 0, os.SEEK_END) != self._position

    def read(self, limit: int) -> bytes:
        """Return what was written since the last time, at most so many bytes of it."""
        with self._lock:
            size = os.fstat(self._file).st_size
            if size < self._position:  # a shell's "> /dev/stderr" empties a file
                self._position = 0
            data = os.pread(self._file, min(limit, size - self._position), self._position)
            self._position = size
            # A child with a position of its own, who goes on in a file that was emptied.
            data, self._kept = self._kept + data.lstrip(b"\0"), b""
            return data[:limit]

    def limit(self) -> None:
        """Empty the file if it is large; what is shown of it is kept."""
        if self._file < 0 or os.fstat(self._file).st_size < MAX_SPOOL_BYTES:
            return
        with self._lock:
            if not self._kept:
                kept = os.pread(self._file, MAX_OUTPUT_BYTES + 1, self._position)
                self._kept = kept.lstrip(b"\0")
            self._truncate()

    def _empty(self) -> None:
        with self._lock:
            self._kept = b""
            self._truncate()

    def _truncate(self) -> None:
        if os.fstat(self._file).st_size:
            os.ftruncate(self._file, 0)
        self._position = 0


# The chunk that is at work.
_running: list[Capture] = []
_streams: dict[str, ElementStream] = {}
_spools: dict[str, _Spool] = {}


def _prepare() -> None:
    """Make what all chunks of this process share, at the first one."""
    if _spools:
        return
    _close_stdin()
    folder = tempfile.tempdir
    for descriptor, name in enumerate(NAMES, 1):
        _spools[name] = _Spool(descriptor)
    tempfile.tempdir = folder  # elements find it undecided where their session has it so
    threading.Thread(target=_look_after, name="parallelflow-output", daemon=True).start()


def _look_after() -> None:
    """Publish early output; keep the files small, also between chunks.

    A child may outlive its element.
    """
    while True:
        time.sleep(LOOK_SECONDS)
        for capture in list(_running):
            with contextlib.suppress(Exception):  # the channel is closed: the engine is ending
                capture.publish()
        for spool in list(_spools.values()):
            with contextlib.suppress(OSError):
                spool.limit()


def _close_stdin() -> None:
    """Open stdin at its end: nobody answers there, whatever the engine was started from."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_RDONLY)
        if null != 0:
            os.dup2(null, 0)
            os.close(null)
        if sys.stdin is None:
            sys.stdin = open(0, closefd=False)  # noqa: SIM115


def _stream(name: str) -> ElementStream:
    """Return the process' stream of a name as it was made; a new one if it was closed.

    One for the whole process: logging, and whoever else keeps ``sys.stderr``, goes on with it in
    the next chunk.
    """
    stream = _streams.get(name)
    if stream is None or stream.unusable():
        stream = _streams[name] = ElementStream(Sink(name, NAMES.index(name) + 1))
    stream.reset()
    return stream
