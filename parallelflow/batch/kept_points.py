"""What a checkpoint keeps of a point: its value, and its execution where that is logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parallelflow.engine.recorder import Record
from parallelflow.engine.runner import ChunkResult
from parallelflow.work.worker import Worker

__all__ = ["KeptEngine", "LoggedPoint", "logged_values"]


@dataclass(frozen=True)
class KeptEngine:
    """The engine that has executed a point, as the log tells it.

    Attributes
    ----------
    id : int
        Its number.
    host : str or None
        Its machine.
    info : dict
        More of it: its process, its system.
    """

    id: int
    host: str | None
    info: dict[str, Any]


@dataclass(frozen=True)
class LoggedPoint:
    """A point that has been executed.

    Attributes
    ----------
    value : object
        What was collected.
    record : Record
        What its engine has recorded.
    engine : KeptEngine
        The engine.
    """

    value: Any
    record: Record
    engine: KeptEngine


def logged_values(
    result: ChunkResult, records: Mapping[int, Record], worker: Worker
) -> Sequence[Any]:
    """Return a chunk's values, each with its execution if that was recorded.

    Parameters
    ----------
    result : ChunkResult
        The chunk.
    records : mapping of int to Record
        What was recorded, by position.
    worker : Worker
        Its engine.
    """
    info: dict[str, Any] = {"pid": worker.info.get("pid"), "system": worker.info.get("system", "")}
    engine = KeptEngine(worker.id, worker.host, info)
    return [
        LoggedPoint(value, records[offset], engine) if offset in records else value
        for offset, value in enumerate(result.values)
    ]
