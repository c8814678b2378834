"""What an engine sends back of a chunk. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .remote_failure import RemoteFailure

__all__ = ["ChunkResult"]


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
    records : dict of int to object
        What the function's kind reports of an element's execution, by position.
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
    records: dict[int, Any] = field(default_factory=dict)
    outputs: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    peaks: list[tuple[int, int]] = field(default_factory=list)
    shortage: tuple[int, int] | None = None
    unreadable: RemoteFailure | None = None
    report: Any = None
