"""What elements write, shown in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

__all__ = ["OutputOrder", "Written", "write"]

Written = list[tuple[str, str]]
"""What an element wrote: (``stdout`` or ``stderr``, text), in order."""


class OutputOrder:
    """Holds back what elements wrote until those before them have finished.

    Parameters
    ----------
    show : callable
        Called with an element's index and what it wrote.
    """

    def __init__(self, show: Callable[[int, Written], None]) -> None:
        self._show = show
        self._next = 0
        self._finished: dict[int, int] = {}
        self._written: dict[int, Written] = {}

    def add(self, start: int, count: int, outputs: dict[int, Written]) -> None:
        """Take what a chunk of `count` elements from index `start` on wrote; show what is due."""
        self._finished[start] = max(count, self._finished.get(start, 0))
        for position, written in outputs.items():
            self._written[start + position] = written
            if start + position < self._next:  # it was tried again
                self._show_one(start + position)
        while self._next in self._finished:
            upto = self._next + self._finished.pop(self._next)
            for index in range(self._next, upto) if self._written else ():
                self._show_one(index)
            self._next = upto

    def flush(self) -> None:
        """Show all that is held back, after a failure or a cancel."""
        for index in sorted(self._written):
            self._show_one(index)

    def _show_one(self, index: int) -> None:
        written = self._written.pop(index, None)
        if written:
            self._show(index, written)


def write(stream: TextIO | None, text: str) -> None:
    """Write what an element wrote, as ``print`` does where there is no such stream: not at all.

    Parameters
    ----------
    stream : text stream or None
        Where to; characters that it cannot take are written by their numbers.
    text : str
        What.
    """
    if stream is None:
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
