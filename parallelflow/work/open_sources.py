"""Elements whose reading is governed by who consumes the values, or who submits the calls."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from .chunks import Chunk
from .element_source import ElementSource

__all__ = ["BoundedSource", "Call", "CallSource"]


class BoundedSource(ElementSource):
    """Elements of which no more are read than the consumer of the values keeps up with.

    Parameters
    ----------
    elements : iterable
        As `ElementSource` has them.
    limit : int
        At most so many elements are read whose values have not been consumed, at least 1.

    Attributes
    ----------
    consumed : int
        How many values the consumer has taken; it counts them.
    """

    def __init__(self, elements: Iterable[Any], limit: int) -> None:
        super().__init__(elements)
        self._limit = limit
        self.consumed = 0

    def take(self, count: int, most_bytes: float = math.inf) -> Chunk | None:
        """Return the next elements, None after the last one or while the consumer is behind."""
        count = min(count, self._limit - (self.taken - self.consumed))
        return super().take(count, most_bytes) if count > 0 else None


class Call:
    """One submitted call.

    Parameters
    ----------
    arguments : tuple
        Its positional arguments.
    keywords : dict
        Its keyword arguments.

    Attributes
    ----------
    future : Future
        Gets its value or exception.
    """

    __slots__ = ("arguments", "future", "keywords")

    def __init__(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.arguments = arguments
        self.keywords = keywords
        self.future: Future[Any] = Future()


class _Arguments(tuple[Any, ...]):
    """(arguments, keywords) of a call, which an error shows as the call has them."""

    __slots__ = ()

    def __repr__(self) -> str:
        positional, keywords = self
        if not keywords:
            return repr(positional)
        named = (f"{name}={value!r}" for name, value in keywords.items())
        return f"({', '.join([*map(repr, positional), *named])})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Engines get a plain tuple.
        return tuple, (tuple(self),)


class CallSource(ElementSource):
    """Calls of one function, which are submitted while a run is under way.

    Attributes
    ----------
    started : dict of int to Future
        Of the calls that a run has taken and that have not finished, by index.
    """

    def __init__(self) -> None:
        super().__init__(iter(()))
        self._waiting: deque[Call] = deque()
        self.started: dict[int, Future[Any]] = {}

    def submit(self, call: Call) -> None:
        """Add a call; from any thread."""
        self._waiting.append(call)

    @property
    def left(self) -> int | None:
        """How many calls wait; None while there are none but more may come."""
        return len(self._waiting) or (0 if self.closed else None)

    @property
    def is_idle(self) -> bool:
        """Return True if every call has finished."""
        return not self._waiting and not self.started

    def take(self, count: int, most_bytes: float = math.inf) -> Chunk | None:
        """Return the next calls, as (arguments, keywords); None if none waits."""
        elements: list[Any] = []
        while self._waiting and len(elements) < count:
            call = self._waiting.popleft()
            if call.future.set_running_or_notify_cancel():
                self.started[self.taken + len(elements)] = call.future
                elements.append(_Arguments((call.arguments, call.keywords)))
        if not elements:
            return None
        chunk = Chunk(self.taken, elements)
        self.taken += len(elements)
        return chunk

    def cancel_waiting(self) -> None:
        """Cancel the calls that no run has taken."""
        while self._waiting:
            self._waiting.popleft().future.cancel()
