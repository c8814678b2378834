"""What follows each element's value, carried out in the elements' order as values come."""

from __future__ import annotations

from collections.abc import Callable, Container, MutableSequence, Sequence
from typing import Any

__all__ = ["Replay"]


class Replay:
    """Calls a function for each value, in the order of the indices, as far as there is no gap.

    Parameters
    ----------
    follow : callable
        Called with index and value.

    Attributes
    ----------
    prepare : callable or None
        Makes of a value what takes its place, before the function is called with it.
    """

    def __init__(self, follow: Callable[[int, Any], None]) -> None:
        self._follow = follow
        self.prepare: Callable[[Any], Any] | None = None
        self._known: Container[int] = ()
        self._next = self._end = 0
        self._counts: dict[int, int] = {}
        #: Elements that have come back without a value, and may get one here.
        self._open: set[int] = set()
        self._skipped: set[int] = set()

    def begin_with(self, known: Container[int]) -> None:
        """Take note of elements that have a value already, by their indices."""
        self._known = known

    def add(self, start: int, count: int, without_value: Sequence[int] = ()) -> None:
        """Take note of elements that have come back.

        Parameters
        ----------
        start, count : int
            The first one's index, and how many.
        without_value : sequence of int
            The indices of those of them that have failed, or are to be evaluated here.
        """
        if count == 1 and start in self._open:  # it was tried again
            if not without_value:
                self._open.discard(start)
            return
        self._open.update(without_value)
        if count:
            self._counts[start] = count

    def close(self, index: int, skip: bool = False) -> None:
        """Take note of an element that was evaluated here.

        Parameters
        ----------
        index : int
            Its index.
        skip : bool
            Whether it has no value, and nothing follows.
        """
        if index in self._open:
            self._open.discard(index)
        else:
            self._counts[index] = 1
        if skip:
            self._skipped.add(index)

    def advance(self, values: MutableSequence[Any]) -> None:
        """Call the function for the values that are next, up to the first gap."""
        while True:
            if self._end in self._counts:
                self._end += self._counts.pop(self._end)
            elif self._end in self._known:
                self._end += 1
            else:
                break
        while self._next < self._end and self._next not in self._open:
            index = self._next
            self._next += 1
            if index not in self._skipped:
                if self.prepare is not None:
                    values[index] = self.prepare(values[index])
                self._follow(index, values[index])
