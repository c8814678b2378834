"""What elements write, shown in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from parallelflow.engine.early_output import Written, without

__all__ = ["OutputOrder", "Written", "write"]


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
        # The element whose output is due, also before its chunk has come back; of those that have
        # not: what is held back, how much has come, how much is shown, and which have finished.
        self._due = 0
        self._early: dict[int, Written] = {}
        self._early_sizes: dict[int, int] = {}
        self._early_finished: set[int] = set()
        self._shown: dict[int, int] = {}

    def add_early(self, index: int, position: int, written: Written, finished: bool) -> None:
        """Take what an element wrote whose chunk has not come back; show it if it is due.

        Parameters
        ----------
        index : int
            The element.
        position : int
            How many characters it had written before. What does not follow what has come is left
            to `add`, which gets all.
        written : Written
            What it wrote then.
        finished : bool
            Whether that was all.
        """
        if index < self._due or position != self._early_sizes.get(index, 0):
            return
        if written:
            self._early_sizes[index] = position + _size(written)
            self._early.setdefault(index, []).extend(written)
        if finished:
            self._early_finished.add(index)
        self._show_early()

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
        if self._early or self._early_finished:
            self._early_finished = {i for i in self._early_finished if i >= self._next}
            self._show_early()

    def _show_early(self) -> None:
        """Show what is due of elements whose chunks have not come back."""
        self._due = max(self._due, self._next)
        while True:
            index = self._due
            written = self._early.pop(index, None)
            if written:
                self._shown[index] = self._shown.get(index, 0) + _size(written)
                self._show(index, written)
            if index not in self._early_finished:
                return
            self._early_finished.remove(index)
            self._due += 1

    def flush(self) -> None:
        """Show all that is held back, after a failure or a cancel."""
        for index in sorted(self._written):
            self._show_one(index)

    def _show_one(self, index: int) -> None:
        self._early.pop(index, None)
        self._early_sizes.pop(index, None)
        written = without(self._written.pop(index, []), self._shown.pop(index, 0))
        if written:
            self._show(index, written)


def _size(written: Written) -> int:
    return sum(len(text) for _, text in written)


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
