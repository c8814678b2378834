"""Workflows with loops of VisTrails' own, run as they are and with their loops on engines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.support.workflows import CONTROL_FLOW, Result, Workflow, forget_results, run


class Jobs:
    """A job monitor that notes what it is told to watch."""

    def __init__(self) -> None:
        self.parents: list[Any] = []

    def addParent(self, error: Any) -> None:
        self.parents.append(error)

    def getCache(self, signature: str) -> None:
        return None


@contextlib.contextmanager
def on_engines() -> Iterator[dict[int, Any]]:
    """Run all loops on engines while entered, whatever they cost.

    Yields the last snapshot of each run, by its number.
    """
    from parallelflow import progress
    from parallelflow.loops import activation, choice, trial

    runs: dict[int, Any] = {}
    measured, trial.Trial.says_send = trial.Trial.says_send, True  # type: ignore[assignment]
    stop = progress.listen(lambda snapshot: runs.update({snapshot.run: snapshot}))
    try:
        with activation.running(choice.Scope.WORTH_IT):
            yield runs
    finally:
        stop()
        trial.Trial.says_send = measured  # type: ignore[method-assign]


def both(workflow: Workflow, port: str = "Result", **settings: Any) -> tuple[Result, Result, int]:
    """Run a workflow serially and with its loops on engines; say how many loops were there."""
    serial = run(workflow, CONTROL_FLOW, port, **settings)
    forget_results()
    with on_engines() as runs:
        ours = run(workflow, CONTROL_FLOW, port, **settings)
    return serial, ours, len(runs)
