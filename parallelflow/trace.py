"""What is noted of a run while it goes on: which engine evaluated which elements, and when.

A chunk costs one record, whatever number of elements it has; nothing is noted of elements that
have not come back. What is shown of it is made in `parallelflow.runs`, when it is looked at.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ChunkTrace", "Place", "RunTrace", "Sent", "elements_done"]

#: Clocks of two machines that differ by more than this are not compared.
SKEW_SECONDS = 2.0
#: Lines about engines that are kept; a run that loses more of them says the same again.
MOST_EVENTS = 1000


_done: Counter[tuple[str, int]] = Counter()


def elements_done(host: str | None, pid: int | None) -> int:
    """Return how many elements an engine's process has evaluated for this session."""
    return _done[host or "", pid or 0]


@dataclass(frozen=True, eq=False)
class ChunkTrace:
    """What came back of elements that travelled together.

    Attributes
    ----------
    start, count : int
        The first element's index, and how many.
    engine : int
        The engine's id.
    host : str
        Its machine; empty if not known.
    started : float
        When the first one began, seconds since the epoch on this machine's clock.
    seconds : array of float
        How long each took.
    attempt : int
        How often they had been sent, this time included.
    peaks : sequence of (int, int)
        For each group of elements, in their order: how many, and the most memory that the engine's
        process had while they ran, bytes; 0 where that is not known.
    """

    start: int
    count: int
    engine: int
    host: str
    started: float
    seconds: Sequence[float]
    attempt: int
    peaks: Sequence[tuple[int, int]] = ()

    def peak(self, index: int) -> int | None:
        """Return the most memory that the engine had while an element ran, None if not known."""
        place = index - self.start
        for count, peak in self.peaks:
            if place < count:
                return peak or None
            place -= count
        return None


@dataclass(frozen=True)
class Sent:
    """Elements that an engine has and has not answered.

    Attributes
    ----------
    start, count : int
        The first element's index, and how many.
    engine : int
        The engine's id.
    host : str
        Its machine.
    running : bool
        Whether the engine works at them, or at others that it got before.
    """

    start: int
    count: int
    engine: int
    host: str
    running: bool


@dataclass(frozen=True)
class Place:
    """Where a run belongs in a workflow.

    Attributes
    ----------
    module : int
        The id of the module that loops.
    function : int
        The id of the module that runs for each element.
    version : int
        The version of the workflow.
    """

    module: int
    function: int
    version: int


def _nothing_sent() -> list[Sent]:
    return []


def _one_list(index: int) -> tuple[int, ...]:
    return ()


@dataclass
class RunTrace:
    """What is noted of one run.

    Attributes
    ----------
    began : float
        When, seconds since the epoch.
    chunks : list of ChunkTrace
        What has come back, in that order.
    known : set of int
        Elements whose values an earlier run had computed.
    failures : mapping of int to ElementFailure
        The failed elements; grows with the run.
    sent : callable
        Returns what the engines have now.
    events : deque of (float, str)
        What happened to engines: seconds since the epoch, and a line.
    element_of, value_of : callable or None
        Return an element and its value by its index, as long as the run's lists are there.
    path_of : callable
        Returns an element's index in each of the lists around it, by its index; empty if there
        is but one list.
    place : Place or None
        Where the run belongs in a workflow.
    """

    began: float = field(default_factory=time.time)
    chunks: list[ChunkTrace] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    failures: Mapping[int, Any] = field(default_factory=dict)
    sent: Callable[[], list[Sent]] = _nothing_sent
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    element_of: Callable[[int], Any] | None = None
    value_of: Callable[[int], Any] | None = None
    path_of: Callable[[int], tuple[int, ...]] = _one_list
    place: Place | None = None

    def add(
        self,
        start: int,
        seconds: Sequence[float],
        started: float,
        wall: float,
        engine: int,
        host: str | None,
        attempt: int,
        pid: int | None = None,
        peaks: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Note what has come back of a chunk.

        Parameters
        ----------
        start : int
            The first element's index.
        seconds : sequence of float
            How long each element took.
        started, wall : float
            When the engine began by its own clock, and how long it took in all.
        engine : int
            The engine's id.
        host : str or None
            Its machine.
        attempt : int
            How often the elements had been sent.
        pid : int, optional
            The engine's process.
        peaks : sequence of (int, int)
            As `ChunkTrace` has them.
        """
        if not seconds:
            return
        now = time.time()
        begun = started if abs(now - wall - started) < SKEW_SECONDS + wall else now - wall
        chunk = ChunkTrace(
            start, len(seconds), engine, host or "", begun, array("d", seconds), attempt, peaks
        )
        self.chunks.append(chunk)
        if pid is not None:
            _done[host or "", pid] += len(seconds)

    def highest_memory(self) -> int:
        """Return the most memory that an engine has had so far, bytes; 0 if that is not known."""
        return max((peak for chunk in self.chunks for _, peak in chunk.peaks), default=0)

    def drop_lists(self) -> None:
        """Forget elements and values: they may be large."""
        self.element_of = self.value_of = None

    def note(self, line: str) -> None:
        """Note what happened to an engine or the cluster."""
        self.events.append((time.time(), line))
