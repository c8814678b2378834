"""What a run asks the owner of its engines, and tells it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

__all__ = ["EnginePool"]


@dataclass(frozen=True)
class EnginePool:
    """The owner of a cluster's engines, as a run sees it. Every call returns at once.

    Without arguments: a cluster that lives, whose engines nobody stops or replaces.

    Attributes
    ----------
    alive : callable
        Returns whether the cluster lives.
    fault : callable
        Returns which part of the cluster has failed, empty if that is not known.
    replace : callable
        Called with the id of an engine that was lost while it worked, or hangs; may have another
        one started.
    retired : callable
        Returns whether an engine, by its id, is being stopped or was stopped by its owner. It
        gets no work, and its end is no element's fault.
    crashed : callable
        Returns whether an engine that has left, by its id, ended by itself: not stopped by its
        owner or at the end of the session that had started it, not frozen, not taken away by a
        batch system or with its host. None while that is being found out.
    frozen : callable
        Returns whether the process of an engine that has left, by its id, still runs.
    expected : callable
        Returns whether engines are being started that will take part.
    start_beside : callable
        Called with the ids of engines that have answered nothing for long; may have others started
        beside them. Returns how many.
    works_here : bool
        Whether the session's own process does the work while no engine answers, since no others may
        be started.
    taken_away : callable
        Returns whether the job of an engine that is still listed, by its id, has ended: the
        controller notices that later.
    why : callable
        Returns what is known of why an engine, by its id, was taken away; may be empty.
    ended_together : callable
        Returns whether an engine was taken away, by its id, since one of those that were started
        together with it has ended: one of their elements may have done that.
    seconds_left : callable
        Returns how much of its wall time an engine has left and has used, by its id; None where
        that has no end or is not known.
    trouble : callable
        Returns why no more engines are asked for; empty if nothing is wrong.
    coming : callable
        Returns what the batch jobs are doing that will bring engines, such as ``job 17 (slurm)
        queued: Resources``; empty if none will.
    relays : callable
        Called with the ids of engines; returns, by their ids, the processes of this machine by
        which they hear of an interrupt and answer it. Without those whose are not known.
    stopped : callable
        Returns whether this session has ended its cluster on purpose since the pool was made: work
        is not to go on then.
    """

    alive: Callable[[], bool] = lambda: True
    fault: Callable[[], str] = str
    replace: Callable[[int], object] = lambda engine: None
    retired: Callable[[int], bool] = lambda engine: False
    crashed: Callable[[int], bool | None] = lambda engine: True
    frozen: Callable[[int], bool] = lambda engine: False
    expected: Callable[[], bool] = lambda: False
    start_beside: Callable[[Collection[int]], int] = lambda engines: 0
    works_here: bool = False
    taken_away: Callable[[int], bool] = lambda engine: False
    why: Callable[[int], str] = lambda engine: ""
    ended_together: Callable[[int], bool] = lambda engine: False
    seconds_left: Callable[[int], tuple[float | None, float | None]] = lambda engine: (None, None)
    trouble: Callable[[], str] = str
    coming: Callable[[], str] = str
    relays: Callable[[Collection[int]], dict[int, list[int]]] = lambda engines: {}
    stopped: Callable[[], bool] = lambda: False
