"""The execution log: ids, machines, where elements ran, a round trip through XML."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.map.test_table import doubling
from tests.map.test_table_rest import inner_map
from tests.support.workflows import PARALLEL_FLOW, Result, mapped, run, shape, source

pytestmark = pytest.mark.usefixtures("cluster")


def everything(item: Any) -> Iterator[Any]:
    """Yield a log object and all inside it."""
    yield item
    for name in ("item_execs", "loop_execs", "loop_iterations"):
        for child in getattr(item, name, ()):
            yield from everything(child)


@pytest.fixture(scope="module")
def nested() -> Result:
    return run(mapped(inner_map(), [[1, 2], [3], []], "['l']", "r"), PARALLEL_FLOW)


def test_ids_are_unique_within_their_kind(nested: Result) -> None:
    ids = [(type(i).__name__, i.id) for i in everything(nested.workflow_exec)]
    assert len(ids) > 15
    assert len(set(ids)) == len(ids)


def test_there_is_one_machine_for_each_host(nested: Result) -> None:
    machines = nested.workflow_exec.machines
    machines = list(machines.values()) if isinstance(machines, dict) else list(machines)
    assert len(machines) == 1
    for item in everything(nested.workflow_exec):
        if hasattr(item, "machine_id"):
            assert item.machine_id == machines[0].id


def test_engines_of_another_host_get_a_machine_of_their_own(monkeypatch: Any) -> None:
    import parallelflow.loops.log_objects as log_objects

    monkeypatch.setattr(log_objects.platform, "node", lambda: "the client's own")
    ours = run(mapped(doubling(), list(range(10))), PARALLEL_FLOW)
    machines = ours.workflow_exec.machines
    machines = list(machines.values()) if isinstance(machines, dict) else list(machines)
    names = sorted(m.name for m in machines)
    assert len(names) == 2 and len({m.id for m in machines}) == 2
    # One word for one architecture, and for one system.
    assert len({(m.os, m.architecture) for m in machines}) == 1


def test_the_log_says_where_each_element_ran(nested: Result, cluster: Any) -> None:
    engines = {str(engine.id): str(engine.pid) for engine in cluster.info().engines}
    loop = maps_of(nested)[0].loop_execs[0]
    assert len(loop.loop_iterations) == 3
    for iteration in loop.loop_iterations:
        notes = {a.key: a.value for a in iteration.item_execs[0].annotations}
        assert notes["parallelflow_host"] == socket.gethostname()
        assert notes["parallelflow_pid"] == engines[notes["parallelflow_engine"]]


def maps_of(result: Result) -> list[Any]:
    return [i for i in result.workflow_exec.item_execs if getattr(i, "module_name", "") == "Map"]


def test_times_are_in_order_and_todays(nested: Result) -> None:
    now = datetime.datetime.now()
    for item in everything(maps_of(nested)[0].loop_execs[0]):
        assert item.ts_end is None or item.ts_start <= item.ts_end
        assert abs(item.ts_start - now) < datetime.timedelta(minutes=10)


def test_times_are_those_of_the_sessions_clock(monkeypatch: Any) -> None:
    from parallelflow.work import worker

    engines_clock = 3600.0  # ahead of the session's
    real = worker.Worker.note_clock
    monkeypatch.setattr(worker.Worker, "note_clock", lambda w, t: real(w, t - engines_clock))
    ours = run(mapped(inner_map(), [[1, 2], [3]], "['l']", "r"), PARALLEL_FLOW)
    loop = maps_of(ours)[0].loop_execs[0]
    then = datetime.datetime.now() + datetime.timedelta(seconds=engines_clock)
    for item in everything(loop):
        if item is not loop:
            assert abs(item.ts_start - then) < datetime.timedelta(minutes=10)
            assert abs(item.ts_end - then) < datetime.timedelta(minutes=10)


def test_the_log_survives_xml(nested: Result) -> None:
    from vistrails.core.db.io import serialize, unserialize
    from vistrails.core.log.workflow_exec import WorkflowExec

    text = serialize(nested.workflow_exec)
    again = unserialize(text, WorkflowExec)
    # No error is None in an object and the empty text in XML.
    assert str(shape(again)).replace("''", "None") == str(shape(nested.workflow_exec))


def test_annotations_of_modules_inside_are_kept() -> None:
    part = source("self.annotate({'seed': str(i)})\no = i")
    ours = run(mapped(part, [7, 8]), PARALLEL_FLOW)
    iterations = sorted(maps_of(ours)[0].loop_execs[0].loop_iterations, key=lambda i: i.iteration)
    seeds = [{a.key: a.value for a in i.item_execs[0].annotations}["seed"] for i in iterations]
    assert seeds == ["7", "8"]


def test_a_failed_elements_trace_is_in_the_log() -> None:
    ours = run(mapped(source("o = 1 / i"), [0]), PARALLEL_FLOW)
    failed = maps_of(ours)[0].loop_execs[0].loop_iterations[0].item_execs[0]
    assert failed.completed == -1 and "ZeroDivisionError" in failed.error
    notes = {a.key: a.value for a in failed.annotations}
    assert "ZeroDivisionError" in notes["errorTrace"]


def test_the_logs_objects_are_made_when_they_are_looked_at(monkeypatch: Any) -> None:
    from parallelflow.loops.log_objects import LogObjects

    made: list[int] = []
    iteration = LogObjects.iteration

    def counted(self: Any, record: Any, *arguments: Any) -> Any:
        made.append(record.module)
        return iteration(self, record, *arguments)

    monkeypatch.setattr(LogObjects, "iteration", counted)
    monkeypatch.setattr("tests.support.workflows.shape", lambda _: None)  # it looks
    ours = run(mapped(doubling(), list(range(30))), PARALLEL_FLOW)
    loop = maps_of(ours)[0].loop_execs[0]
    assert loop.ts_end is not None and not made

    assert [each.iteration for each in loop.loop_iterations] == list(range(30))
    assert sorted(made) == list(range(30))
    # From then on it is as VisTrails' own: a copy has them, and they are found by their ids.
    first, *_, last = loop.loop_iterations
    assert loop.db_get_loop_iteration_by_id(last.id) is last
    loop.db_delete_loop_iteration(first)
    assert [each.iteration for each in loop.do_copy().loop_iterations] == list(range(1, 30))
    assert len(made) == 30
