"""How many elements travel together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .attempt import Attempt

__all__ = ["Chunk", "ChunkSizer"]

# A chunk costs an engine 4 ms beside its elements, and client, controller and hub as much again
# (measured with ipyparallel 9.2; what they compute is taken from engines on the same cores). So
# a chunk of this length makes messages a few percent; longer ones would make progress jerky.
CHUNK_SECONDS = 0.5
# A chunk costs the session about 4.4 ms of computing, so that 128 engines with chunks of half a
# second would take all that it has: with more engines than these, chunks grow with them.
FEW_ENGINES = 16
# Towards the end chunks get smaller, but not so small that messages cost more than the elements;
# with many engines, whose messages come together then, they grow, too.
LEAST_SECONDS = 0.08
# What takes no longer than this is not divided any further.
LAST_SECONDS = 0.03
# A chunk takes at most this part of an engine's share of what is left, so that all engines finish
# together: the first number where elements take equally long (engines differ, too), the second
# where they differ by as much as they take on average, or more.
REGULAR, IRREGULAR = 0.85, 0.5
# The same while nothing is known: what has finished waits for the slowest one of its chunk.
UNKNOWN = 0.125
# The first chunk for an engine: its length in time is not known, so that it ends early instead.
FIRST_ELEMENTS = 32
FIRST_SECONDS = 0.02
# With many engines, whose answers would come together, each one's first chunk may take so much
# longer than the one before: by the time that the last ones end the first ones have told how long
# elements take, and the next chunk waits at the engine.
BETWEEN_SECONDS = 0.01
# Of what does not know its length there may be only a few more: a chunk takes at most so many times
# what has finished before, so that the first ones do not leave the other engines without any.
GROWTH = 4
# A chunk that takes longer than expected by this factor ends there.
PATIENCE = 2
# More elements than this in a chunk gain nothing and cost memory on three machines.
MAX_ELEMENTS = 20_000
# So do more bytes, there or back, in a message. Before the time is known, less may travel without
# need. (A little more than the round number, so that two arrays of 8 MB go with what is around
# them.)
MAX_BYTES = 17_000_000
FIRST_BYTES = 1_000_000
# Through shared memory nothing is copied on the way, so that fewer messages pay: with 64 arrays of
# 8 MB, four in a chunk instead of one took 0.87 s of CPU instead of 1.2 (client, engines and
# controller), eight 0.77. Two chunks for each engine may lie there, and all together have this
# limit.
SHARED_BYTES = 68_000_000
ALL_SHARED_BYTES = 272_000_000


@dataclass(eq=False)
class Chunk:
    """Elements that travel together.

    Attributes
    ----------
    start : int
        Index of the first element in the whole list.
    elements : list
        The elements, in order, without gaps.
    losses : list of (int, float)
        Engines that were lost while they worked at it: their ids, and when, on the monotonic clock.
    crashes : int
        How many of those crashed while it was `alone`.
    alone : bool
        Whether it was sent while nothing else of the run was under way.
    probing : bool
        Whether its engine has only been asked whether it lives, and does not have it yet.
    sent : int
        Which of this process' chunks it was, by the order in which they were sent.
    interrupts : int
        How often it was interrupted by somebody else.
    seconds : float or None
        After how long it ends early, leaving elements undone; None for never.
    nbytes : int
        Its size, once it has been pickled.
    reply_nbytes : int
        The size of its result, once that has come.
    lost_files : int
        How often its file in shared memory, or its result's, was not there any more.
    attempts : tuple of Attempt
        The attempts at its single element that have failed.
    began : float
        When its engine began with it, as far as is known, on the monotonic clock.
    """

    start: int
    elements: list[Any]
    losses: list[tuple[int, float]] = field(default_factory=list)
    crashes: int = 0
    alone: bool = False
    probing: bool = False
    seconds: float | None = None
    nbytes: int = 0
    sent: int = 0
    interrupts: int = 0
    reply_nbytes: int = 0
    lost_files: int = 0
    attempts: tuple[Attempt, ...] = ()
    began: float = math.inf

    @property
    def last(self) -> int:
        """Index of the last element."""
        return self.start + len(self.elements) - 1

    def bytes_for(self, count: int) -> float:
        """Return how many bytes its first elements took, there or back, whichever were more."""
        return max(self.nbytes * count / len(self.elements), self.reply_nbytes)

    def parts(self, number: int) -> Iterator[Chunk]:
        """Yield the chunk in so many parts, in order; fewer if it has fewer elements."""
        size = -(-len(self.elements) // number)
        for position in range(0, len(self.elements), size):
            elements = self.elements[position : position + size]
            part = Chunk(self.start + position, elements, [*self.losses], self.crashes)
            part.attempts = self.attempts
            yield part

    def first(self, count: int) -> Chunk:
        """Return the chunk's first `count` elements."""
        first = Chunk(self.start, self.elements[:count], [*self.losses], self.crashes, self.alone)
        first.seconds = self.seconds
        return first

    def rest(self, count: int) -> Chunk:
        """Return the chunk without its first `count` elements."""
        return Chunk(self.start + count, self.elements[count:], [*self.losses], self.crashes)


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
        self._seconds = 0.0
        self._count = 0.0
        self._bytes = 0.0
        self._squares = 0.0

    @property
    def mean_seconds(self) -> float | None:
        """Time of an element, recent ones counting more, seconds; None before the first."""
        return self._seconds / self._count if self._count else None

    @property
    def variation(self) -> float:
        """Standard deviation of the elements' times by their mean; 1 before the first."""
        if not self._seconds:
            return 1.0
        mean = self._seconds / self._count
        variance = max(0.0, self._squares / self._count - mean * mean)
        return variance**0.5 / mean

    def most_bytes(self, engines: int, shared: bool = False) -> int:
        """Return how large a chunk may be, bytes.

        Parameters
        ----------
        engines : int
            Engines at work, at least 1.
        shared : bool
            Whether it goes through shared memory.
        """
        if not self._count:
            return FIRST_BYTES
        if not shared:
            return MAX_BYTES
        return max(min(SHARED_BYTES, ALL_SHARED_BYTES // (2 * engines)), MAX_BYTES)

    def observe(self, seconds: Sequence[float], nbytes: float) -> None:
        """Take note of what came back of a chunk.

        Parameters
        ----------
        seconds : sequence of float
            How long each element took its engine.
        nbytes : float
            How many bytes travelled for them, there or back, whichever were more.
        """
        if seconds:
            self._seconds = self._seconds / 2 + sum(seconds)
            self._squares = self._squares / 2 + sum(s * s for s in seconds)
            self._count = self._count / 2 + len(seconds)
            self._bytes = self._bytes / 2 + nbytes

    def size(
        self, left: int | None, engines: int, shared: bool = False, finished: int = MAX_ELEMENTS
    ) -> int:
        """Return the size of the next chunk.

        Parameters
        ----------
        left : int or None
            Elements not yet sent; None if unknown.
        engines : int
            Engines at work.
        shared : bool
            Whether it goes through shared memory.
        finished : int
            Elements that have come back; for those whose number is not known.
        """
        if self._fixed is not None:
            return self._fixed
        if self._count:
            rate = self._count / max(self._seconds, 1e-9)
            size = self.largest(engines, shared)
            least, last = int(LEAST_SECONDS * _growth(engines) * rate), int(LAST_SECONDS * rate)
            part = REGULAR - (REGULAR - IRREGULAR) * min(self.variation, 1.0)
        else:
            size, least, last, part = FIRST_ELEMENTS, 0, 0, UNKNOWN
        if left is not None:
            share = -(-left // engines)
            size = min(size, max(round(share * part), min(share, least), last))
        else:
            size = min(size, GROWTH * finished)
        return max(1, size)

    def largest(self, engines: int, shared: bool = False) -> int:
        """Return the largest chunk, by time and bytes, while there is plenty left; at least 1."""
        if not self._count:
            return FIRST_ELEMENTS
        seconds = CHUNK_SECONDS * _growth(engines)
        size = min(seconds * self._count / max(self._seconds, 1e-9), MAX_ELEMENTS)
        if self._bytes:
            size = min(size, self.most_bytes(engines, shared) * self._count / self._bytes)
        return max(1, int(size))

    def patience(self, size: int, sent: int = 0) -> float | None:
        """Return how long a chunk may take, seconds; None for as long as it likes.

        Parameters
        ----------
        size : int
            Its elements.
        sent : int
            How many chunks have been sent before it.
        """
        if self._fixed is not None:
            return None
        mean = self.mean_seconds
        if mean is None:
            return FIRST_SECONDS + BETWEEN_SECONDS * max(sent + 1 - FEW_ENGINES, 0)
        return max(PATIENCE * size * mean, FIRST_SECONDS)


def _growth(engines: int) -> float:
    """Return how much longer than with few engines chunks are to take."""
    return max(engines / FEW_ENGINES, 1.0)
