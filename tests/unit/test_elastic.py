"""How many engines of an elastic cluster are asked for and given back, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from parallelflow.engine_manager.elastic.policy import (
    Decision,
    Lease,
    decide,
    engines_for,
    is_near_end,
    mean_seconds,
)
from parallelflow.engine_manager.model import Limits
from parallelflow.progress import RunState, Snapshot

LIMITS = Limits(0, 8, "slurm", idle_seconds=60.0)
HERE = {"here": True}


def run(total: int, done: int = 0, element_seconds: float = 0.0, **fields: Any) -> Snapshot:
    state = fields.pop("state", RunState.RUNNING)
    return Snapshot(1, "f", state, total, done, 0, 1, element_seconds, 0.0, **fields)


@pytest.mark.parametrize(
    ("snapshot", "running_for", "wanted"),
    [
        (run(1000), 0.0, 100),  # a second each, as long as nothing is known
        (run(1000, 10, 0.1), 5.0, 1),  # 10 ms each: a second of work
        (run(8, 2, 120.0), 60.0, 6),  # a minute each: one for each that is left
        (run(8), 60.0, 8),  # none has finished for a minute
        (run(8, 8, 8.0), 60.0, 0),
        (run(8, 4, 0.0, known=4), 0.0, 1),  # an earlier run's values say nothing of the time
        (run(0, state=RunState.PREPARING), 0.0, 1),
    ],
)
def test_so_many_engines_are_worth_the_work(
    snapshot: Snapshot, running_for: float, wanted: int
) -> None:
    assert engines_for([(snapshot, mean_seconds(snapshot, running_for))]) == wanted


@pytest.mark.parametrize(
    ("wanted", "others", "leases", "decision"),
    [
        (3, 0, [], Decision(3)),
        (30, 0, [], Decision(8)),  # the most
        (30, 2, [Lease("a")], Decision(5)),
        (3, 3, [], Decision(0)),
        # Fewer elements than engines that were asked for: those that wait are not waited for.
        (1, 0, [Lease("a", **HERE), Lease("b"), Lease("c")], Decision(0, ("c", "b"))),
        (2, 0, [Lease("a"), Lease("b"), Lease("c", **HERE)], Decision(0, ("b",))),
        # Idle for long enough, and only as many as there are too many.
        (0, 0, [Lease("a", True, 59.0)], Decision()),
        (0, 0, [Lease("a", True, 61.0), Lease("b", True, 70.0)], Decision(0, ("b", "a"))),
        (1, 0, [Lease("a", True, 61.0), Lease("b", True, 70.0)], Decision(0, ("b",))),
        # Near its end: it goes when it has finished, and another one comes.
        (1, 0, [Lease("a", True, 0.0, near_end=True)], Decision(1)),
        (1, 0, [Lease("a", True, 1.0, near_end=True)], Decision(1, ("a",))),
        (8, 7, [Lease("a", True, 0.0, near_end=True)], Decision(0)),  # no room before
        (8, 7, [Lease("a", True, 1.0, near_end=True)], Decision(1, ("a",))),
    ],
)
def test_engines_are_asked_for_and_given_back(
    wanted: int, others: int, leases: list[Lease], decision: Decision
) -> None:
    assert decide(LIMITS, wanted, others, leases) == decision


def test_there_are_never_fewer_than_the_least() -> None:
    limits = Limits(2, 4, "local", idle_seconds=1.0)
    idle = [Lease(name, True, 100.0) for name in "abc"]
    assert decide(limits, 0, 0, idle) == Decision(0, ("a",))
    assert decide(limits, 0, 1, []) == Decision(1)


@pytest.mark.parametrize(
    ("left", "used", "mean", "near"),
    [
        (None, None, 60.0, False),
        (600.0, 3000.0, 60.0, False),
        (90.0, 3000.0, 60.0, True),
        (3.0, 3000.0, 0.0, True),
        (3000.0, 600.0, 2500.0, False),  # it needs most of the time: now or never
    ],
)
def test_an_engine_near_its_end_takes_nothing_that_would_not_finish(
    left: float | None, used: float | None, mean: float, near: bool
) -> None:
    assert is_near_end(left, used, mean) is near


def test_limits_are_read_as_they_were_written() -> None:
    assert Limits.from_dict(LIMITS.to_dict()) == LIMITS and Limits.from_dict({}) is None
    assert LIMITS.text == "0 to 8 engines by slurm"
