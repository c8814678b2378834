"""The last line of a run: true figures, whatever overlapped."""

from __future__ import annotations

import pytest

from parallelflow.cli.report import summary
from parallelflow.progress import RunState, Snapshot


def of(total: int, engines: int, work: float, wall: float) -> Snapshot:
    return Snapshot(1, "Map", RunState.DONE, total, total, 0, engines, work, wall)


@pytest.mark.parametrize(
    ("snapshots", "start", "line"),
    [
        (
            [of(28, 2, 20.1, 10.4)],
            2.0,
            "28 elements, 2 engines: 10.4 s for 20.1 s of work (1.9 x). "
            "In all 13.2 s, engines started in 2.0 s.",
        ),
        (
            [of(1, 1, 3.0, 3.1)],
            None,
            "1 element, 1 engine: 3.1 s for 3.0 s of work (1.0 x). In all 13.2 s.",
        ),
        (
            [of(10, 2, 4.0, 2.0), of(5, 1, 2.0, 2.0)],
            None,
            "15 elements, 2 engines: 4.0 s for 6.0 s of work (1.5 x). In all 13.2 s.",
        ),
        (
            [of(3, 2, 0.001, 0.2)],
            None,
            "3 elements, 2 engines: 0.2 s for 0.0 s of work (0.0 x; elements so short gain nothing "
            "on engines). In all 13.2 s.",
        ),
    ],
)
def test_the_summary(snapshots: list[Snapshot], start: float | None, line: str) -> None:
    assert summary(snapshots, 13.2, 0, start) == line


def test_the_summary_of_a_run_without_elements_says_how_to_have_some() -> None:
    assert summary([], 0.5, 0) == "done in 0.5 s; nothing was run in parallel"
    assert summary([], 0.5, 1).endswith("(--parallel-maps runs its Map modules in parallel)")
