"""What a run comes to in numbers: engines and their idle time, durations, the speed-up."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from parallelflow.progress import Progress
from parallelflow.trace import ChunkTrace

__all__ = ["Busy", "EngineUse", "Figures", "figures", "timeline"]

#: Spans on a timeline; more than a screen has pixels cannot be told apart.
MOST_SPANS = 1500


@dataclass(frozen=True)
class Busy:
    """A span in which an engine worked: seconds since the run began, and elements."""

    start: float
    end: float
    elements: int
    failed: int


@dataclass(frozen=True)
class EngineUse:
    """What one engine did.

    Attributes
    ----------
    engine : int
        Its id.
    host : str
        Its machine.
    elements, failed : int
        Elements that it evaluated, and those of them that failed.
    seconds : float
        How long it worked at elements.
    idle : float
        The part of the run's time in which it did not, from 0 to 1.
    memory : int
        The most memory that its process had, bytes; 0 if that is not known.
    """

    engine: int
    host: str
    elements: int
    failed: int
    seconds: float
    idle: float
    memory: int = 0


@dataclass(frozen=True)
class Figures:
    """A run in numbers.

    Attributes
    ----------
    wall : float
        How long it took, or has taken so far, seconds.
    work : float
        The sum of the elements' times, seconds.
    speed_up : float
        Work by wall; 0 while nothing is known.
    engines : tuple of EngineUse
        By host and id.
    quickest, median, slowest : float
        Of the elements' times, seconds; 0 without any.
    """

    wall: float
    work: float
    speed_up: float
    engines: tuple[EngineUse, ...]
    quickest: float
    median: float
    slowest: float


def figures(progress: Progress, seconds: Sequence[float]) -> Figures:
    """Return a run in numbers.

    Parameters
    ----------
    progress : Progress
        The run's.
    seconds : sequence of float
        The elements' times, those that are known.
    """
    snapshot, chunks = progress.snapshot(), progress.trace.chunks
    wall = snapshot.running_seconds or snapshot.wall_seconds
    failed = progress.trace.failures
    by_engine: dict[tuple[str, int], list[ChunkTrace]] = defaultdict(list)
    for chunk in chunks:
        by_engine[chunk.host, chunk.engine].append(chunk)
    uses = []
    for (host, engine), own in sorted(by_engine.items()):
        worked = sum(sum(chunk.seconds) for chunk in own)
        uses.append(
            EngineUse(
                engine,
                host,
                sum(chunk.count for chunk in own),
                sum(_failed_in(chunk, failed) for chunk in own),
                worked,
                max(0.0, 1 - worked / wall) if wall else 0.0,
                max((peak for chunk in own for _, peak in chunk.peaks), default=0),
            )
        )
    work = sum(use.seconds for use in uses)
    return Figures(
        wall,
        work,
        work / wall if wall else 0.0,
        tuple(uses),
        min(seconds, default=0.0),
        statistics.median(seconds) if seconds else 0.0,
        max(seconds, default=0.0),
    )


def timeline(progress: Progress) -> dict[tuple[str, int], list[Busy]]:
    """Return when each engine worked, by host and id; neighbours are joined if there are many."""
    chunks, failed = progress.trace.chunks, progress.trace.failures
    began = progress.trace.began
    spans: dict[tuple[str, int], list[Busy]] = defaultdict(list)
    for chunk in sorted(chunks, key=lambda chunk: chunk.started):
        start = max(0.0, chunk.started - began)
        busy = Busy(start, start + sum(chunk.seconds), chunk.count, _failed_in(chunk, failed))
        spans[chunk.host, chunk.engine].append(busy)
    if len(chunks) > MOST_SPANS:
        wall = progress.snapshot().wall_seconds
        for key, own in spans.items():
            spans[key] = list(_joined(own, wall / MOST_SPANS))
    return dict(sorted(spans.items()))


def _failed_in(chunk: ChunkTrace, failed: Container[int]) -> int:
    if not failed:  # the usual case, for elements by the million
        return 0
    return sum(index in failed for index in range(chunk.start, chunk.start + chunk.count))


def _joined(spans: Iterable[Busy], gap: float) -> Iterable[Busy]:
    """Join spans that are closer than a gap."""
    last: Busy | None = None
    for span in spans:
        if last is not None and span.start - last.end < gap:
            last = Busy(
                last.start,
                max(last.end, span.end),
                last.elements + span.elements,
                last.failed + span.failed,
            )
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
