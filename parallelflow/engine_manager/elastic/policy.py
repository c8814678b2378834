"""How many engines the work is worth, and which are given back: facts in, decisions out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parallelflow.progress import RunState, Snapshot

from ..model.limits import Limits

__all__ = ["Decision", "Lease", "decide", "engines_for", "is_near_end", "mean_seconds"]

# The work that is left should be done in so long: an engine that starts takes some seconds, and is
# of no use for less.
TARGET_SECONDS = 10.0
# What an element is supposed to take before one has finished.
ASSUMED_SECONDS = 1.0
# An engine does not begin with an element that would leave it less than this, and its longest
# element may take so much longer than the mean.
END_SECONDS = 5.0
SLOWER = 1.5


@dataclass(frozen=True)
class Lease:
    """One engine that was asked for.

    Attributes
    ----------
    name : str
        What tells it from others.
    here : bool
        Whether the engine has joined.
    idle_seconds : float
        For how long it has had no work; 0 if it has some, or is not here.
    near_end : bool
        Whether its wall time ends before it could finish an element.
    """

    name: str
    here: bool = False
    idle_seconds: float = 0.0
    near_end: bool = False


@dataclass(frozen=True)
class Decision:
    """What is to be done.

    Attributes
    ----------
    ask : int
        So many engines are asked for.
    end : tuple of str
        The names of the leases that are given back.
    """

    ask: int = 0
    end: tuple[str, ...] = ()


def mean_seconds(run: Snapshot, running_for: float) -> float:
    """Return how long an element of a run takes, as far as is known.

    Parameters
    ----------
    run : Snapshot
        The run.
    running_for : float
        For how long engines have worked at it, seconds: no less, if none has finished one.
    """
    finished = run.done + run.failed - run.known
    if finished > 0:
        return run.element_seconds / finished
    return max(ASSUMED_SECONDS, running_for)


def engines_for(runs: Iterable[tuple[Snapshot, float]]) -> int:
    """Return how many engines the elements that are left are worth.

    Parameters
    ----------
    runs : iterable of (Snapshot, float)
        The runs under way, each with what `mean_seconds` gives.
    """
    wanted = 0
    for run, mean in runs:
        left = run.total - run.done - run.failed
        # One whose elements are counted as they come may have none yet.
        least = 1 if left > 0 or run.state is RunState.PREPARING else 0
        wanted += max(min(math.ceil(left * mean / TARGET_SECONDS), left), least)
    return wanted


def is_near_end(left: float | None, used: float | None, mean: float) -> bool:
    """Return True if an engine has too little wall time left for an element.

    Not in the first half of its time: elements that need most of it are to begin at some time.

    Parameters
    ----------
    left, used : float or None
        Its wall time, seconds; None if that is not known.
    mean : float
        How long an element takes, seconds.
    """
    if left is None:
        return False
    return left < SLOWER * mean + END_SECONDS and left < (used or 0.0)


def decide(limits: Limits, wanted: int, others: int, leases: Sequence[Lease]) -> Decision:
    """Decide which engines are asked for or given back.

    Parameters
    ----------
    limits : Limits
        Between how many.
    wanted : int
        How many the work is worth, see `engines_for`.
    others : int
        Engines that were not asked for by this session, and are used as well.
    leases : sequence of Lease
        Those that were, the oldest first.
    """
    wanted = min(max(wanted, limits.minimum), limits.maximum)
    # One near its end finishes what it has, and nobody waits for it then.
    ends = [lease.name for lease in leases if lease.near_end and lease.idle_seconds > 0]
    usable = [lease for lease in leases if not lease.near_end]
    surplus = others + len(usable) - wanted
    if surplus < 0:
        room = limits.maximum - others - (len(leases) - len(ends))
        return Decision(max(min(-surplus, room), 0), tuple(ends))
    # The last that were asked for would come last.
    queued = [lease.name for lease in reversed(usable) if not lease.here]
    idle = sorted(
        (one for one in usable if one.here and one.idle_seconds >= limits.idle_seconds),
        key=lambda one: -one.idle_seconds,
    )
    spare = [*queued, *(lease.name for lease in idle)]
    return Decision(0, (*ends, *spare[:surplus]))
