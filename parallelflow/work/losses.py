"""Decisions about the chunks of an engine that was lost: facts in, decisions out, as `outcomes`."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace

from parallelflow.engine.remote_failure import RemoteFailure
from parallelflow.engine.time_limit import LEAST_END_SECONDS
from parallelflow.wording import count

from .chunks import Chunk
from .outcomes import Decision, Fail, Quarantine, Requeue

__all__ = ["MAX_DEATHS", "MAX_LOSSES", "Loss", "fail_as_lost", "judge_loss", "requeue_unread"]

# An element during which so many engines crashed, while nothing else of the run was under way, is
# not given to another one. Engines are killed for reasons that are none of the elements' (memory,
# other people's tools); a second time, alone, is hardly by chance.
MAX_DEATHS = 2
# The same for engines of this machine that have stopped to answer, such as one that was stopped
# (SIGSTOP): most of them are not its fault, but no element may take engines without an end.
MAX_LOSSES = 4
# Of a chunk whose engine has ended, so many parts go alone. Elements that travel by more are so
# short that going singly would take minutes; one that ends engines takes one more to be found.
SUSPECTS = 256


class Loss(enum.Enum):
    """Why an engine has left."""

    STOPPED = "its owner has stopped it"
    CRASHED = "its process has ended by itself"
    FROZEN = "its process runs, and does not answer any more"
    TAKEN_AWAY = "its host, its job or its session has gone"


def judge_loss(
    chunks: Sequence[Chunk],
    engine: int,
    loss: Loss,
    when: float,
    time_limit: float | None = None,
    killed: str = "",
) -> list[Decision]:
    """Decide about the chunks that an engine had when it was lost.

    Parameters
    ----------
    chunks : sequence of Chunk
        The chunks, in the order in which they were sent: the engine worked at the first one.
    engine : int
        The engine's id.
    loss : Loss
        Why it has left.
    when : float
        When, on the monotonic clock.
    time_limit : float, optional
        How long an element may take, seconds. An engine ends itself if one takes much longer.
    killed : str
        How the system has ended the engine for lack of memory, empty if it has not. An element
        that runs alone then is to blame: nothing else of the run has taken the memory.
    """
    # An engine that its owner stops has been given up; nothing that it has is at fault.
    blameless = 0 if loss is Loss.STOPPED else 1
    decisions: list[Decision] = [Requeue(chunk) for chunk in reversed(chunks[blameless:])]
    for chunk in chunks[:blameless]:
        if chunk.probing:  # the engine never had it
            decisions.append(Quarantine(chunk))
            continue
        single = len(chunk.elements) == 1
        if time_limit is not None and when - chunk.began >= time_limit + LEAST_END_SECONDS:
            decisions += _judge_overdue(chunk, time_limit)
            continue
        if loss is Loss.TAKEN_AWAY:
            decisions.append(Quarantine(chunk) if chunk.losses else Requeue(chunk))
            continue
        crashes = chunk.crashes + (loss is Loss.CRASHED and chunk.alone and single)
        lost = replace(chunk, losses=[*chunk.losses, (engine, when)], crashes=crashes)
        most = 1 if killed else MAX_DEATHS
        if single and (crashes >= most or len(lost.losses) >= MAX_LOSSES):
            decisions.append(fail_as_lost(lost, killed))
        else:
            # Which of its elements it was is not known.
            decisions += [Quarantine(part) for part in lost.parts(SUSPECTS)]
    return decisions


def _judge_overdue(chunk: Chunk, time_limit: float) -> list[Decision]:
    """Decide about a chunk with an element that was over its time limit when its engine ended.

    Of several elements, the one that is at fault is found by sending each alone.
    """
    if len(chunk.elements) > 1:
        return [Requeue(part) for part in reversed(list(chunk.parts(len(chunk.elements))))]
    failure = RemoteFailure(
        "timeout",
        TimeoutError.__name__,
        f"it took longer than {time_limit:g} s and did not end when it was interrupted, so that "
        "its engine was ended",
    )
    return [Fail(chunk.start, chunk.elements[0], failure)]


def requeue_unread(chunks: Sequence[Chunk]) -> list[Decision]:
    """Decide about chunks that an engine had not begun with when it was lost."""
    return [Quarantine(chunk) if chunk.losses else Requeue(chunk) for chunk in reversed(chunks)]


def fail_as_lost(chunk: Chunk, killed: str = "") -> Fail:
    """Return the failure of a single element by the engines that were lost while it ran."""
    number = len(chunk.losses)
    how = f", the last one {killed}" if killed and number > 1 else f", {killed}" if killed else ""
    failure = RemoteFailure("lost", "EngineLost", f"it ended {count(number, 'engine')}{how}")
    return Fail(chunk.start, chunk.elements[0], failure)
