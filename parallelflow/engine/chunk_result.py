"""What an engine sends back of a chunk. Standard library only."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

from .remote_failure import RemoteFailure

__all__ = ["ChunkResult", "Records"]


class Records:
    """What the function's kind reports of elements' executions, by position in the chunk.

    It travels as bytes and stays bytes until it is read: of many elements that is a sixth of the
    memory, and nothing for Python's search for garbage to look at.
    """

    def __init__(self, packed: bytes = b"") -> None:
        self._packed = packed
        self._new: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._packed or self._new)

    def __setitem__(self, position: int, record: Any) -> None:
        self._new[position] = record

    def read(self) -> dict[int, Any]:
        """Return the records by position; each call makes them again."""
        return {**(pickle.loads(self._packed) if self._packed else {}), **self._new}

    def __reduce__(self) -> Any:
        return Records, (pickle.dumps(self.read(), pickle.HIGHEST_PROTOCOL) if self else b"",)


@dataclass
class ChunkResult:
    """What came of a chunk; sequences are parallel to the chunk's elements.

    Attributes
    ----------
    count : int
        Elements finished, from the chunk's start; fewer than it had if it was stopped.
    values : list
        `count` values, None where there is failure.
    failures : dict of int to RemoteFailure
        By position in the chunk.
    seconds : list of float
        `count` running times, seconds.
    started : float
        When the chunk began, seconds since the epoch on the engine's clock.
    wall : float
        How long it took in all, seconds.
    records : Records
        What the function's kind reports of the elements' executions.
    outputs : dict of int to list of (str, str)
        What an element wrote, by position: (stream, text) in order.
    peaks : list of (int, int)
        How much memory the process had at the most, as `PeakMemory` has it.
    shortage : tuple of (int, int), or None
        Why the rest was left undone: memory runs low here. Bytes that are free, and of how many.
    unreadable : RemoteFailure or None
        Why the chunk could not be unpickled; nothing of it was evaluated then.
    report : object
        What the function's kind tells of the chunk as a whole, None if nothing.
    """

    count: int = 0
    values: list[Any] = field(default_factory=list)
    failures: dict[int, RemoteFailure] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    started: float = 0.0
    wall: float = 0.0
    records: Records = field(default_factory=Records)
    outputs: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    peaks: list[tuple[int, int]] = field(default_factory=list)
    shortage: tuple[int, int] | None = None
    unreadable: RemoteFailure | None = None
    report: Any = None
