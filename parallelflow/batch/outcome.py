"""What came of a point: what was collected, or why there is nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from parallelflow.engine.recorder import Record
from parallelflow.engine.runner import ChunkResult
from parallelflow.errors import ElementFailure

__all__ = ["Failure", "Outcome", "failure_of_point", "records_of"]


@dataclass(frozen=True)
class Failure:
    """Why a point has no results.

    Attributes
    ----------
    message : str
        Which module failed, and why; one line.
    trace : str
        Where, empty if a module failed on purpose.
    place : str
        The engine, empty if it was none.
    modules : tuple of (int, str, str)
        Ids of the modules that failed, their messages and traces.
    """

    message: str
    trace: str = ""
    place: str = ""
    modules: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a point.

    Attributes
    ----------
    collected : object
        What was collected, None if nothing was.
    failure : Failure or None
        Why there is nothing; None, too, if the point was not run.
    place : dict of str to str
        Where it was executed, as annotations of VisTrails' log; empty for this process.
    """

    collected: Any = None
    failure: Failure | None = None
    place: dict[str, str] = field(default_factory=dict)


def records_of(result: ChunkResult) -> dict[int, Record]:
    """Return what was recorded of points, those that have failed included, by position."""
    records: dict[int, Record] = result.records.read()
    for offset, failure in result.failures.items():
        if failure.detail.records is not None:
            records[offset] = failure.detail.records
    return records


def failure_of_point(failure: ElementFailure) -> Failure:
    """Return a point's failure as it is told."""
    place = "" if failure.engine is None else f"engine {failure.engine} of {failure.host}"
    if failure.stage == "run" and failure.detail.module is not None:
        return Failure(failure.message, failure.traceback, place, failure.detail.module)
    return Failure(" ".join(failure.reason.split()), failure.traceback, place)
