"""Decisions: what becomes of a chunk's elements, by what came back of it or by its engine's end.

Each function takes facts and returns a list of decisions, in the order in which they apply. None
of them has side effects or needs a cluster; `parallelflow.work.run.Run` carries the decisions
out. An outcome of a new kind is a class here, and one more case there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from parallelflow.data.shared_file import NotShared
from parallelflow.engine import payload
from parallelflow.engine.remote_failure import RemoteFailure, failure_of
from parallelflow.engine.runner import ChunkResult

from .chunks import Chunk

__all__ = [
    "CheckCluster",
    "Decision",
    "Defer",
    "Fail",
    "HoldBack",
    "Interrupter",
    "Keep",
    "Quarantine",
    "Requeue",
    "Retry",
    "SetUpAgain",
    "StopSharing",
    "judge_error",
    "judge_reply",
    "judge_result",
    "judge_unsendable",
    "keep_finished",
    "says_engine_died",
    "says_not_shared",
    "was_interrupted",
]

# Of a chunk that cannot be sent or read, so many parts go again: one bad element among thousands
# is found in a few rounds, and the others travel together.
PARTS = 4
# A chunk whose file in shared memory was removed by somebody else goes again so often.
MAX_LOST_FILES = 3
# An element that somebody else has interrupted, who meant another one, is run again so often.
MAX_INTERRUPTS = 1


@dataclass(frozen=True)
class Keep:
    """The chunk's first ``result.count`` elements have finished: keep what came of them."""

    chunk: Chunk
    result: ChunkResult


@dataclass(frozen=True)
class Fail:
    """An element has failed."""

    index: int
    element: Any
    failure: RemoteFailure


@dataclass(frozen=True)
class Defer:
    """An element has to be run by the client itself."""

    index: int


@dataclass(frozen=True)
class Requeue:
    """Elements go to an engine again, before those that have not been sent."""

    chunk: Chunk


@dataclass(frozen=True)
class Retry:
    """A single element that has raised goes again, to another engine if there is one."""

    chunk: Chunk


@dataclass(frozen=True)
class Quarantine:
    """Elements go again last of all, and while nothing else of the run is under way."""

    chunk: Chunk


@dataclass(frozen=True)
class SetUpAgain:
    """The engine does not have the run's function any more."""


@dataclass(frozen=True)
class HoldBack:
    """Memory runs low on the engine's machine: bytes that are free, and of how many."""

    low: tuple[int, int]


@dataclass(frozen=True)
class CheckCluster:
    """The cluster is being shut down: end the run's work there."""


@dataclass(frozen=True)
class StopSharing:
    """The engine cannot read the client's files in shared memory: send it messages."""


Decision = (
    Keep
    | Fail
    | Defer
    | Requeue
    | Retry
    | Quarantine
    | SetUpAgain
    | StopSharing
    | HoldBack
    | CheckCluster
)


class Interrupter(enum.Enum):
    """Who has interrupted an element that had not asked for it."""

    USER = "the user, who meant it"
    SHUTDOWN = "the end of the cluster"
    OTHER = "somebody who meant something else, such as the end of another run"


def judge_reply(
    chunk: Chunk, reply: Sequence[payload.Frame], interrupter: Callable[[], Interrupter]
) -> list[Decision]:
    """Decide by what an engine has sent for a chunk: the frames of a `ChunkResult`.

    Parameters
    ----------
    chunk, interrupter
        As `judge_result` has them.
    reply : sequence of frames
        The frames.
    """
    try:
        result: ChunkResult = payload.load(reply)
    except KeyboardInterrupt:
        raise
    except NotShared as e:
        return _judge_lost_file(chunk, failure_of(e, "result"))
    except BaseException as e:  # a class that only the engine knows, or that ends programs
        return judge_unsendable(chunk, failure_of(e, "result"))
    return judge_result(chunk, result, interrupter)


def judge_result(
    chunk: Chunk, result: ChunkResult, interrupter: Callable[[], Interrupter]
) -> list[Decision]:
    """Decide by the result that an engine has sent for a chunk.

    Parameters
    ----------
    chunk : Chunk
        The chunk.
    result : ChunkResult
        The result, of all its elements or of the first ones.
    interrupter : callable
        Returns who has interrupted the engine; only called if somebody has.
    """
    if result.unreadable is not None and says_not_shared(result.unreadable):
        return [StopSharing(), *_judge_lost_file(chunk, result.unreadable)]
    if result.unreadable is not None:
        return judge_unsendable(chunk, result.unreadable)
    held = [HoldBack(result.shortage)] if result.shortage is not None else []
    if held and not result.count:
        return [*held, Quarantine(chunk) if chunk.losses else Requeue(chunk)]
    by, interrupts = None, 0
    last = result.count - 1
    if _is_interrupted_by_signal(result.failures.get(last)):
        by = interrupter()
        if by is Interrupter.SHUTDOWN:
            result = _first(result, last)
        elif by is Interrupter.OTHER and (last > 0 or chunk.interrupts < MAX_INTERRUPTS):
            result = _first(result, last)
            interrupts = chunk.interrupts + 1 if last == 0 else 1
    decisions: list[Decision] = [*held, Keep(chunk, result)]
    decisions += [_judge_element(chunk, *each) for each in result.failures.items()]
    if result.count < len(chunk.elements):
        rest = chunk.rest(result.count)
        rest.interrupts = interrupts
        decisions.append(Quarantine(rest) if chunk.losses else Requeue(rest))
    if by is Interrupter.SHUTDOWN:
        decisions.append(CheckCluster())
    return decisions


def _judge_lost_file(chunk: Chunk, failure: RemoteFailure) -> list[Decision]:
    """Decide about a chunk whose file in shared memory, or whose result's, is not there."""
    if chunk.lost_files >= MAX_LOST_FILES:
        return judge_unsendable(chunk, failure)
    again = replace(chunk, alone=False, lost_files=chunk.lost_files + 1)
    return [Quarantine(again) if chunk.losses else Requeue(again)]


def _judge_element(chunk: Chunk, position: int, failure: RemoteFailure) -> Decision:
    if failure.stage == "client":
        return Defer(chunk.start + position)
    return Fail(chunk.start + position, chunk.elements[position], failure)


def _is_interrupted_by_signal(failure: RemoteFailure | None) -> bool:
    """Return True unless the element has finished, or the function has raised it itself."""
    if failure is None or failure.stage != "interrupted":
        return False
    return failure.exception is None or failure.error_type != "KeyboardInterrupt"


def _first(result: ChunkResult, count: int) -> ChunkResult:
    """Return a result without what comes after its first `count` elements."""
    return replace(
        result,
        count=count,
        values=result.values[:count],
        seconds=result.seconds[:count],
        failures={i: failure for i, failure in result.failures.items() if i < count},
        outputs={i: output for i, output in result.outputs.items() if i < count},
    )


def keep_finished(chunk: Chunk, result: ChunkResult) -> Keep:
    """Return the decision for the result of a chunk that the run itself has interrupted.

    What comes before the first failed element is kept.
    """
    return Keep(chunk, _first(result, min(result.failures, default=result.count)))


def judge_error(
    chunk: Chunk, error: BaseException, interrupter: Callable[[], Interrupter]
) -> list[Decision]:
    """Decide by the error that has come instead of a result, while the engine keeps running.

    Parameters
    ----------
    chunk, interrupter
        As `judge_result` has them.
    error : BaseException
        The error.
    """
    if getattr(error, "ename", "") == "LookupError":
        return [Requeue(chunk), SetUpAgain()]
    if was_interrupted(error):
        by = interrupter()
        again = replace(chunk, alone=False, interrupts=chunk.interrupts + 1)
        requeue: Decision = Quarantine(again) if chunk.losses else Requeue(again)
        if by is Interrupter.SHUTDOWN:
            return [requeue, CheckCluster()]
        if chunk.interrupts < MAX_INTERRUPTS:
            return [requeue]
    return judge_unsendable(chunk, failure_of(error, "run"))


def judge_unsendable(chunk: Chunk, failure: RemoteFailure) -> list[Decision]:
    """Decide about a chunk that as a whole could not be sent, read or sent back.

    A single element fails. Of several, the one that is at fault is found by sending parts.
    """
    if len(chunk.elements) == 1:
        return [Fail(chunk.start, chunk.elements[0], failure)]
    # In reverse order: each one goes before those that wait.
    return [Requeue(part) for part in reversed(list(chunk.parts(PARTS)))]


def says_engine_died(error: BaseException) -> bool:
    """Return True if an error says that its engine has gone."""
    return "EngineError" in (getattr(error, "ename", ""), type(error).__name__)


def says_not_shared(failure: RemoteFailure) -> bool:
    """Return True if an engine could not read the client's file in shared memory."""
    return failure.error_type == NotShared.__name__


def was_interrupted(error: BaseException | None) -> bool:
    """Return True if SIGINT has hit an engine before it could begin with what it was sent."""
    return getattr(error, "ename", "") == "KeyboardInterrupt"
