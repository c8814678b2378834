"""How a loop's elements lie in lists of lists. Standard library only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

__all__ = ["Lengths", "Nesting", "size"]

Lengths: TypeAlias = "int | tuple[Lengths, ...]"
"""The length of a list of elements; of a list of lists, those of the lists in it."""


def size(lengths: Lengths) -> int:
    """Return how many elements there are in a list, those of the lists in it included."""
    return lengths if isinstance(lengths, int) else sum(map(size, lengths))


@dataclass(frozen=True)
class Nesting:
    """The lists of lists in which a loop's elements lie, one after the other.

    Attributes
    ----------
    lengths : Lengths
        Of the outermost list.
    outer_ports : tuple of str
        For each level but the innermost, the last port that is iterated over there. VisTrails
        mixes them into the signatures of elements.
    """

    lengths: Lengths
    outer_ports: tuple[str, ...]

    def path_of(self, index: int) -> tuple[int, ...]:
        """Return where an element is: its index in each list, that of the outermost first."""
        starts, paths = self._innermost
        place = bisect_right(starts, index) - 1
        return (*paths[place], index - starts[place])

    @cached_property
    def _innermost(self) -> tuple[list[int], list[tuple[int, ...]]]:
        """The index of the first element of each innermost list, and where the list is."""
        starts: list[int] = []
        paths: list[tuple[int, ...]] = []
        start = 0
        for path, length in _innermost(self.lengths):
            starts.append(start)
            paths.append(path)
            start += length
        return starts, paths

    def __reduce__(self) -> tuple[type[Nesting], tuple[Lengths, tuple[str, ...]]]:
        return Nesting, (self.lengths, self.outer_ports)


def _innermost(lengths: Lengths) -> Iterator[tuple[tuple[int, ...], int]]:
    if isinstance(lengths, int):
        yield (), lengths
        return
    for index, inner in enumerate(lengths):
        for path, length in _innermost(inner):
            yield (index, *path), length
