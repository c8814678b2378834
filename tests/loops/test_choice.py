"""Who decides which loops run on engines, and what stays here whoever decides."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.loops.test_lists import collector, given, iterated, typed
from tests.support.loops import on_engines
from tests.support.workflows import CONTROL_FLOW, Part, Workflow, constant, group, run, source

pytestmark = pytest.mark.usefixtures("cluster")

WHERE = "import os, time\ntime.sleep(%s)\no = os.getpid()"


@pytest.fixture
def session() -> Iterator[Any]:
    """Return a function that runs a workflow's loops as `--parallel` does."""
    from parallelflow.loops import messages
    from parallelflow.loops.activation import running
    from parallelflow.loops.choice import Scope

    messages.forget_shown()
    with running(Scope.WORTH_IT):
        yield lambda workflow, port="o": run(workflow, CONTROL_FLOW, port)


def here(pids: list[int]) -> list[bool]:
    return [pid == os.getpid() for pid in pids]


def test_nothing_runs_there_unless_it_is_wanted() -> None:
    workflow = iterated(typed(WHERE % 0), given([1, 2, 3]))
    assert all(here(run(workflow, CONTROL_FLOW, "o").values[0]))


def test_a_marked_module_does_and_no_other() -> None:
    marked = typed(WHERE % 0, control={"run_on_engines": "true"})
    workflow = iterated(marked, given([1, 2, 3]))
    parts = [*workflow.parts, typed(WHERE % 0)]
    result = run(Workflow(parts, [*workflow.connections, (2, "o", 3, "i")]), CONTROL_FLOW, "o")
    assert not any(here(result.values[0])) and all(here(result.values[3]))
    function = source(WHERE % 0)
    fold = {"InputPort": "['i']", "OutputPort": "o"}
    for name, control in (("Map", {"run_on_engines": "true"}), ("Map", {})):
        part = Part(name, CONTROL_FLOW, functions=fold, control=control)
        folded = Workflow(
            [function, part, constant([1, 2])],
            [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")],
        )
        assert any(here(run(folded, CONTROL_FLOW).values[1])) is not bool(control)


def test_a_marked_module_in_a_group_does() -> None:
    marked = typed(WHERE % 0, control={"run_on_engines": "true"})
    whole = group(
        [given([1, 2, 3]), marked, collector("o = x")],
        [(0, "o", 1, "i"), (1, "o", 2, "x")],
        {},
        {"o": (2, "o")},
    )
    result = run(Workflow([whole, source("o = x", ("x",))], [(0, "o", 1, "x")]), CONTROL_FLOW, "o")
    assert not any(here(result.values[1]))


def test_cheap_elements_stay_here_and_that_is_told_once(session: Any, capfd: Any) -> None:
    workflow = iterated(typed(WHERE % 0), given([1, 2, 3]))
    assert all(here(session(workflow).values[0]))
    assert all(here(session(workflow).values[0]))
    told = [line for line in capfd.readouterr().err.splitlines() if "stayed here" in line]
    assert len(told) == 1 and "the 3 elements of PythonSource" in told[0]


def test_long_elements_go_once_that_is_known(session: Any) -> None:
    from parallelflow.loops.trial import sending_cost

    seconds = 0.2 + sending_cost.seconds(True) / 5
    result = session(iterated(typed(WHERE % seconds), given(list(range(12)))))
    stayed = here(result.values[0])
    assert stayed[0] and not any(stayed[1:])
    fold = Part("Map", CONTROL_FLOW, functions={"InputPort": "['i']", "OutputPort": "o"})
    parts = [source(WHERE % seconds), fold, constant(list(range(12)))]
    links = [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")]
    assert here(session(Workflow(parts, links), "Result").values[1]) == stayed


def test_what_cannot_travel_is_found_out_here(session: Any) -> None:
    seconds = 0.3
    code = f"import time\ntime.sleep({seconds})\no = (x for x in range(i))"
    workflow = Workflow(
        [typed(code), collector("o = [list(g) for g in x]"), given(list(range(6)))],
        [(2, "o", 0, "i"), (0, "o", 1, "x")],
    )
    assert session(workflow).values[1][:3] == [[], [0], [0, 1]]


@pytest.mark.parametrize("in_group", [False, True])
def test_output_modules_stay_here(in_group: bool, capfd: Any) -> None:
    """Known by class, also inside a Group; what they write is not marked as an element's."""
    output = Part("GenericOutput")
    part = group([output], [], {"value": (0, "value")}, {}) if in_group else output
    port = "value"
    with on_engines() as runs:
        result = run(Workflow([part, given([7, 8])], [(1, "o", 0, port)]), CONTROL_FLOW, "o")
    assert result.errors == {} and not runs


def test_without_a_cluster_a_list_is_computed_here(monkeypatch: Any) -> None:
    from parallelflow.engine_manager import get_manager

    monkeypatch.setattr(get_manager(), "ensure_engines", lambda *_, **__: None)
    marked = typed(WHERE % 0, control={"run_on_engines": "true"})
    result = run(iterated(marked, given([1, 2, 3])), CONTROL_FLOW, "o")
    assert result.errors == {} and all(here(result.values[0]))


def test_a_constant_input_that_cannot_travel(capfd: Any) -> None:
    marked = replace(typed("o = next(j)", ("i", "j")), control={"run_on_engines": "true"})
    workflow = iterated(marked, given([1, 2, 3]), given((n for n in [7, 8, 9]), 0, ANY))
    assert run(workflow, CONTROL_FLOW, "o").values[1] == [7, 8, 9]
    assert "cannot be sent" in capfd.readouterr().err


ANY = "org.vistrails.vistrails.basic:Variant"
