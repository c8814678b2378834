"""Which modules VisTrails' log shows to be worth an engine."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.workflows import Workflow, constant, pipeline_of, source

pytestmark = pytest.mark.usefixtures("core")

BEGIN = datetime.datetime(2026, 1, 1)


def logged(*executions: tuple[int, float, dict[str, Any]]) -> Any:
    """Return a log: (module, seconds, what is unusual), each in a later run than the one before."""
    from vistrails.core.log.log import Log
    from vistrails.core.log.module_exec import ModuleExec
    from vistrails.core.log.workflow_exec import WorkflowExec

    runs = []
    for number, (module, seconds, more) in enumerate(executions):
        start = BEGIN + datetime.timedelta(hours=more.pop("hour", number))
        common = {"completed": 1, "cached": 0, **more}
        item = ModuleExec(
            id=number, module_id=module, ts_start=start,
            ts_end=start + datetime.timedelta(seconds=seconds), **common,
        )  # fmt: skip
        runs.append(WorkflowExec(id=number, item_execs=[item]))
    return Log(id=0, workflow_execs=runs)


class Controller:
    """What is asked of VisTrails' controller."""

    def __init__(self, log: Any, saved: Any) -> None:
        self.log = log
        self._saved = saved
        self.vistrail = SimpleNamespace(db_log_filename=None if saved is None else "log")

    def read_log(self) -> Any:
        if isinstance(self._saved, Exception):
            raise self._saved
        return self._saved


def seconds(log: Any = None, saved: Any = None) -> dict[int, float]:
    from parallelflow.loops.slow_modules import last_seconds

    return last_seconds(Controller(log, saved))


def test_the_last_execution_counts_that_ended_well() -> None:
    assert seconds(logged((1, 5.0, {}), (1, 0.5, {}), (2, 3.0, {}))) == {1: 0.5, 2: 3.0}
    assert seconds(logged((1, 5.0, {}), (1, 0.5, {"completed": -1}))) == {1: 5.0}
    assert seconds(logged((1, 5.0, {}), (1, 0.0, {"cached": 1}))) == {1: 5.0}
    assert seconds(logged((1, 5.0, {"hour": 9}), (1, 0.5, {"hour": 3}))) == {1: 5.0}


def test_the_saved_log_counts_and_a_damaged_one_does_not() -> None:
    later = logged((1, 2.0, {"hour": 5}))
    assert seconds(later, logged((1, 7.0, {}), (2, 4.0, {}))) == {1: 2.0, 2: 4.0}
    assert seconds(saved=ValueError("no XML")) == {} == seconds()


def test_only_what_can_run_beside_another_is_worth_it() -> None:
    from parallelflow.loops.slow_modules import slow_modules

    parts = [constant(1), *(source("o = i") for _ in range(3))]
    chain = pipeline_of(Workflow(parts, [(n, "o", n + 1, "i") for n in range(3)]))
    fork = pipeline_of(Workflow(parts, [(0, "o", 1, "i"), (0, "o", 2, "i"), (1, "o", 3, "i")]))
    slow = Controller(logged((1, 2.0, {}), (2, 2.0, {}), (3, 0.2, {})), None)
    assert slow_modules(chain, slow, set()) == set()
    assert slow_modules(fork, slow, set()) == {1, 2}
    assert slow_modules(fork, slow, {2}) == {1}
    assert slow_modules(fork, Controller(logged((1, 2.0, {})), None), set()) == set()
