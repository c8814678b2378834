"""How many elements travel together, and where the next ones come from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Any

__all__ = ["Chunk", "ChunkSizer", "Feed"]

# A chunk costs an engine 4 ms beside its elements, and client, controller and hub as much again
# (measured with ipyparallel 9.2; what they compute is taken from engines on the same cores). So
# a chunk of this length makes messages a few percent; longer ones would make progress jerky.
CHUNK_SECONDS = 0.25
# Towards the end chunks get smaller, but not so small that messages cost more than the elements.
LEAST_SECONDS = 0.08
# The first chunks tell too little of the following ones to trust them with more.
GROWTH = 8
# Each engine's share of what is left is cut into this many chunks at least, so that all
# engines finish together although elements differ in length.
SHARES = 2
# More elements than this in a chunk gain nothing and cost memory on three machines.
MAX_ELEMENTS = 20_000


@dataclass(eq=False)
class Chunk:
    """Elements that travel together.

    Attributes
    ----------
    start : int
        Index of the first element in the whole list.
    elements : list
        The elements, in order, without gaps.
    deaths : int
        Engines that ended while they had this chunk.
    """

    start: int
    elements: list[Any]
    deaths: int = 0

    @property
    def last(self) -> int:
        """Index of the last element."""
        return self.start + len(self.elements) - 1

    def singles(self, skip: int = 0) -> Iterator[Chunk]:
        """Yield each element from position `skip` on as a chunk of its own."""
        for position, element in enumerate(self.elements[skip:], skip):
            yield Chunk(self.start + position, [element], self.deaths)

    def rest(self, count: int) -> Chunk:
        """Return the chunk without its first `count` elements."""
        return Chunk(self.start + count, self.elements[count:], self.deaths)


class ChunkSizer:
    """Sizes chunks by the time their elements have taken so far.

    Parameters
    ----------
    fixed : int, optional
        A size set by the user, at least 1; nothing is measured then.

    Raises
    ------
    ValueError
        If `fixed` is below 1.
    """

    def __init__(self, fixed: int | None = None) -> None:
        if fixed is not None and fixed < 1:
            raise ValueError(f"a chunk needs at least 1 element, not {fixed}")
        self._fixed = fixed
        self._limit = 1
        self._seconds = 0.0
        self._count = 0.0

    @property
    def mean_seconds(self) -> float | None:
        """Time of an element, recent ones counting more, seconds; None before the first."""
        return self._seconds / self._count if self._count else None

    def observe(self, count: int, seconds: float) -> None:
        """Take note that `count` elements took an engine `seconds` in all."""
        if count:
            self._seconds = self._seconds / 2 + seconds
            self._count = self._count / 2 + count
            self._limit = max(self._limit, min(MAX_ELEMENTS, count * GROWTH))

    def size(self, left: int | None, engines: int) -> int:
        """Return the size of the next chunk.

        Parameters
        ----------
        left : int or None
            Elements not yet sent; None if unknown.
        engines : int
            Engines at work.
        """
        if self._fixed is not None:
            return self._fixed
        if not self._count:
            return 1
        rate = self._count / max(self._seconds, 1e-9)
        size = int(CHUNK_SECONDS * rate)
        if left is not None:
            least = min(-(-left // engines), int(LEAST_SECONDS * rate))
            size = min(size, max(left // (engines * SHARES), least))
        return max(1, min(size, self._limit))


class Feed:
    """The elements of a run, taken in order as they are needed.

    Parameters
    ----------
    elements : iterable
        A list, or anything that gives its elements one by one.
    finished : collection of int
        Indices to pass over.
    """

    def __init__(self, elements: Iterable[Any], finished: Collection[int] = ()) -> None:
        self._iterator = iter(elements)
        self._finished = finished
        self.total = len(elements) if isinstance(elements, Sized) else None
        self.taken = 0
        self.closed = False

    @property
    def left(self) -> int | None:
        """How many elements have not been taken; None if unknown."""
        if self.closed:
            return 0
        return None if self.total is None else self.total - self.taken

    def take(self, count: int) -> Chunk | None:
        """Return the next `count` elements, fewer at the end, None after it."""
        if self._finished:
            while not self.closed and self.taken in self._finished:
                next(self._iterator, None)
                self.taken += 1
            upto = (i for i in range(self.taken, self.taken + count) if i in self._finished)
            count = next(upto, self.taken + count) - self.taken
        elements = [] if self.closed else list(islice(self._iterator, count))
        if not elements:
            self.closed = True
            return None
        chunk = Chunk(self.taken, elements)
        self.taken += len(elements)
        return chunk

    def close(self) -> None:
        """Give no more."""
        self.closed = True
