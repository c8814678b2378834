"""``sys.stdout`` and ``sys.stderr`` of an element: text streams in full, over the descriptors."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from .stream_text import stream_text

__all__ = ["ElementStream", "Sink", "standard_stream"]

Add = Callable[[str, bytes], object]


def standard_stream(name: str) -> Any:
    """Return this process' ``sys.stdout``, ``sys.stderr`` or ``sys.stdin``."""
    return getattr(sys, name)


class Sink(io.BufferedIOBase):
    """Where the bytes of a stream go; ``sys.stdout.buffer`` of an element.

    To the chunk that runs. Between chunks, for whoever has kept the stream, to the engine's own
    stream; in a forked child to the descriptor, from which the chunk gets it.

    Parameters
    ----------
    name : str
        ``stdout`` or ``stderr``.
    descriptor : int
        1 or 2.
    """

    mode = "wb"

    def __init__(self, name: str, descriptor: int) -> None:
        self.key = name
        self.name = f"<{name}>"
        self._descriptor = descriptor
        self._owner = os.getpid()
        self._add: Add | None = None
        self._real: TextIO | None = None

    def enter(self, add: Add, real: TextIO | None) -> None:
        """Give what is written to a chunk from now on; `real` is the stream of the time after."""
        self._add, self._real = add, real

    def leave(self) -> None:
        """Give it to no chunk any more."""
        self._add = None

    @property
    def raw(self) -> Sink:
        """There is nothing below it."""
        return self

    def writable(self) -> bool:
        """Whether it takes bytes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal, which it never is."""
        return False

    def write(self, data: Any) -> int:
        """Write bytes, all of them at once."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        data = bytes(data)
        if os.getpid() != self._owner:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        elif self._add is not None:
            self._add(self.key, data)
        elif self._real is not None:
            self._real.write(data.decode("utf-8", "backslashreplace"))
        return len(data)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an open file cannot be pickled")


class ElementStream(io.TextIOWrapper):
    """A text stream that holds nothing back; closing it leaves the descriptor open.

    Parameters
    ----------
    sink : Sink
        Where to.

    Attributes
    ----------
    settled_encoding : str
        How the bytes are encoded that it writes now; known also after it was detached.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        encoding, errors = stream_text(sink.key)
        super().__init__(sink, encoding, errors, "\n", write_through=True)
        self.mode = "w"  # type: ignore[misc]
        self.settled_encoding = encoding

    def unusable(self) -> bool:
        """Whether an element has closed or detached it."""
        try:
            return self.closed
        except ValueError:
            return True

    def settle(self) -> None:
        """Write out what an element has had it hold back."""
        try:
            if not self.write_through:
                self.flush()
        except ValueError:  # closed, or detached
            pass

    def reconfigure(self, **options: Any) -> None:
        """Do as `io.TextIOWrapper.reconfigure`; what comes from now on is encoded otherwise."""
        super().reconfigure(**options)
        self.settled_encoding = self.encoding

    def reset(self) -> None:
        """Undo what elements of another chunk have reconfigured, and encode as this run does."""
        encoding, errors = stream_text(self.sink.key)
        plain = self.encoding == encoding and self.errors == errors
        if not plain or self.line_buffering or not self.write_through:
            self.reconfigure(
                encoding=encoding,
                errors=errors,
                newline="\n",
                line_buffering=False,
                write_through=True,
            )

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Wherever it gets, it is the stream of that process.
        return standard_stream, (self.sink.key,)
