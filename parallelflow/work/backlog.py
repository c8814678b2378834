"""The elements that wait to be sent: the list itself, what has to go again, and suspects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from .chunks import Chunk, ChunkSizer
from .element_source import ElementSource

__all__ = ["Backlog"]

# A chunk waits behind the running one so that an engine never idles for a round trip, but
# only while more than this many chunks' worth of work is left for each engine: at the end it
# would wait behind a long one while another engine is free.
AHEAD_CHUNKS = 1
DRAIN_ELEMENTS = 1000


class Backlog:
    """What waits, and in what order and sizes it goes.

    Parameters
    ----------
    elements : iterable or ElementSource
        The elements.
    finished : collection of int
        Indices of those that need not go; none with an `ElementSource`.
    chunk_size : int, optional
        Elements per chunk; by measured time if not given.
    limit : int, optional
        At most so many elements are under way.

    Attributes
    ----------
    source : ElementSource
        The list.
    sizer : ChunkSizer
        Told how long chunks have taken.
    """

    def __init__(
        self,
        elements: Iterable[Any] | ElementSource,
        finished: Collection[int],
        chunk_size: int | None,
        limit: int | None,
    ) -> None:
        self.source = (
            elements if isinstance(elements, ElementSource) else ElementSource(elements, finished)
        )
        self.sizer = ChunkSizer(chunk_size)
        self._limit = limit
        self._again: deque[Chunk] = deque()
        self._suspects: deque[Chunk] = deque()
        self._retries: deque[Chunk] = deque()
        self._before: int | None = None
        self._sent = 0

    def __bool__(self) -> bool:
        return bool(self._again or self._suspects or self._retries) or self.source.left != 0

    def next(
        self,
        engines: int,
        finished: int,
        idle: bool,
        engine: int | None = None,
        shared: bool = False,
    ) -> Chunk | None:
        """Return the next chunk to send, None if there is none now.

        Parameters
        ----------
        engines : int
            Engines at work.
        finished : int
            Elements that have come back, well or not.
        idle : bool
            Whether nothing is under way.
        engine : int, optional
            The engine that it is for, if there are others.
        shared : bool
            Whether it goes there through shared memory.
        """
        retry = self._take_retry(engine)
        if retry is not None:
            return retry
        size = self.sizer.size(self._left(), engines, shared, finished)
        chunk: Chunk | None
        if self._again:
            chunk = self._again.popleft()
            if len(chunk.elements) > size:
                self._again.appendleft(chunk.rest(size))
                chunk = chunk.first(size)
        else:
            if self._limit is not None:
                size = min(size, self._limit - (self.source.taken - finished))
            most = self.sizer.most_bytes(engines, shared)
            chunk = self.source.take(size, most) if size > 0 else None
        if chunk is None and self._suspects and idle:
            # What may end engines waits until the rest is safe, and goes alone.
            chunk = self._suspects.popleft()
            chunk.alone = True
        if chunk is not None:
            chunk.seconds = self.sizer.patience(len(chunk.elements), self._sent)
            self._sent += 1
        return chunk

    def _take_retry(self, engine: int | None) -> Chunk | None:
        """Take out an element that has failed on another engine than this one."""
        for chunk in self._retries:
            if chunk.attempts[-1].engine != engine:
                self._retries.remove(chunk)
                return chunk
        return None

    def _left(self) -> int | None:
        """How many elements have not been sent, or have to be sent again; None if unknown."""
        left = self.source.left
        return None if left is None else left + sum(len(chunk.elements) for chunk in self._again)

    def may_prefetch(self, engines: int, shared: bool = False) -> bool:
        """Return True if a chunk may wait behind the running one."""
        left = self._left()
        if self.sizer.mean_seconds is None or self._suspects:
            return False
        return left is None or left > AHEAD_CHUNKS * self.sizer.largest(engines, shared) * engines

    def requeue(self, chunk: Chunk) -> None:
        """Add a chunk that goes again, before anything else."""
        if self._wanted(chunk):
            chunk.alone = False
            self._again.appendleft(chunk)

    def requeue_all(self, chunks: Iterable[Chunk]) -> None:
        """Add chunks that go again, the last one first of all."""
        for chunk in chunks:
            self.requeue(chunk)

    def quarantine(self, chunk: Chunk) -> None:
        """Add a chunk that may have ended an engine: it goes again, alone and last of all."""
        if self._wanted(chunk):
            self._suspects.append(chunk)

    def retry(self, chunk: Chunk) -> None:
        """Add a single element that has failed: it goes again, to another engine if it can."""
        if self._wanted(chunk):
            self._retries.append(chunk)

    def _wanted(self, chunk: Chunk) -> bool:
        return self._before is None or chunk.start < self._before

    def suspected(self) -> str:
        """Return the indices of the elements that may have ended an engine; empty if none."""
        if not self._suspects:
            return ""
        first = min(chunk.start for chunk in self._suspects)
        last = max(chunk.last for chunk in self._suspects)
        return f"{first} to {last}"

    def acquit(self, innocent: Callable[[int, float], bool]) -> None:
        """Clear suspects of the loss of engines that has turned out to have another reason.

        Parameters
        ----------
        innocent : callable
            Called with an engine's id and when it was lost, on the monotonic clock; returns
            whether no element is to blame.
        """
        for _ in range(len(self._suspects)):
            chunk = self._suspects.popleft()
            kept = [loss for loss in chunk.losses if not innocent(*loss)]
            chunk.crashes = min(chunk.crashes, len(kept))
            chunk.losses = kept
            (self._suspects if kept else self._again).append(chunk)

    def take_convicted(self) -> list[Chunk]:
        """Take out and return the single elements during which, alone, an engine crashed."""
        convicted = [chunk for chunk in self._suspects if chunk.crashes]
        self._suspects = deque(chunk for chunk in self._suspects if not chunk.crashes)
        return convicted

    def pop(self) -> Chunk | None:
        """Take out and return some of what waits, None if nothing does."""
        for waiting in (self._again, self._retries, self._suspects):
            if waiting:
                return waiting.popleft()
        # One by one where making them may take its time.
        return self.source.take(1 if self.source.total is None else DRAIN_ELEMENTS)

    def pop_one(self) -> Chunk | None:
        """Take out and return a single element of what waits, None if nothing does."""
        if not (self._again or self._retries or self._suspects):
            return self.source.take(1)
        chunk = self.pop()
        if chunk is not None and len(chunk.elements) > 1:
            self._again.appendleft(chunk.rest(1))
            chunk = chunk.first(1)
        return chunk

    def drain(self) -> Iterator[Chunk]:
        """Yield all that waits, and forget it; not for lists of unknown length."""
        while (chunk := self.pop()) is not None:
            yield chunk

    def truncate_at(self, index: int) -> None:
        """Give up what comes after an element; what comes before it still goes."""
        self._before = index
        self.source.close()
        for waiting in (self._again, self._retries, self._suspects):
            kept = [chunk for chunk in waiting if self._wanted(chunk)]
            waiting.clear()
            waiting.extend(kept)
