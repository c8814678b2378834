"""Loops other than Map with a time limit, retries, or elements that are left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.loops.test_lists import given, iterated, typed
from tests.loops.test_ranges import counted
from tests.support.loops import on_engines
from tests.support.workflows import CONTROL_FLOW, Part, Result, Workflow, constant, run, source

pytestmark = pytest.mark.usefixtures("cluster")

HALF = "o = 12 // (i % 4)"
LATE = "import time\nwhile i == 3:\n    time.sleep(1)\no = i * 2"


def listed(code: str, values: list[int]) -> Workflow:
    return iterated(typed(code), given(values))


def filtered(code: str, values: list[int]) -> Workflow:
    names = {"InputPort": "['i']", "OutputPort": "o"}
    fold = Part("Filter", CONTROL_FLOW, functions=names)
    parts = [source(f"{code}\no = bool(o)"), fold, constant(values)]
    return Workflow(parts, [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")])


def ranged(code: str, values: list[int]) -> Workflow:
    return counted(source(code), values[0], values[-1] + 1)


LOOPS = {"list": (listed, 0, "o"), "For": (ranged, 1, "Result"), "Filter": (filtered, 1, "Result")}


def ran(kind: str, code: str, values: list[int]) -> tuple[Result, Any, Any]:
    """Run a loop on engines; return what came, its values, and the module that loops."""
    build, number, port = LOOPS[kind]
    with on_engines():
        result = run(build(code, values), CONTROL_FLOW, port)
    return result, result.values.get(number), result.raw.objects[number]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("list", "-1", [12, 6, 4, -1, 12]),
        ("For", "-1", [12, 6, 4, -1, 12]),
        ("Filter", "False", [1, 2, 3, 5]),
        ("Filter", "True", [1, 2, 3, 4, 5]),
    ],
)
def test_a_loop_goes_on_without_those_that_fail(
    kind: str, value: str, expected: Any, overrides: Any
) -> None:
    overrides(onError="continue", valueForFailed=value)
    result, values, module = ran(kind, HALF, [1, 2, 3, 4, 5])
    assert not result.errors and values == expected
    assert not module.is_cacheable(), "executing again has to try them again"


@pytest.mark.parametrize("kind", LOOPS)
def test_the_others_are_finished_first(kind: str, overrides: Any) -> None:
    overrides(onError="finish others")
    result, _, _ = ran(kind, HALF, [3, 4, 5, 6, 7, 8])
    [(name, text)] = result.errors.values()
    assert name == "PythonSource" and text.startswith("2 of 6 elements failed. Element 1 (4): ")


@pytest.mark.parametrize("kind", LOOPS)
def test_an_element_over_its_limit_fails(kind: str, overrides: Any) -> None:
    overrides(onError="finish others", elementTimeout=1.0)
    result, _, _ = ran(kind, LATE, [2, 3, 4])
    [(_, text)] = result.errors.values()
    assert "it reached its time limit, TimeoutError: it took longer than 1 s" in text


@pytest.mark.parametrize("kind", LOOPS)
def test_an_element_is_tried_again(kind: str, overrides: Any, tmp_path: Path) -> None:
    overrides(retries=1)
    code = (
        f"import os\nfile = {str(tmp_path)!r} + '/' + str(i)\n"
        "known = os.path.exists(file)\nopen(file, 'w').close()\n"
        "assert known or i != 2, 'not yet'\no = i * 10"
    )
    result, values, _ = ran(kind, code, [1, 2, 3])
    assert not result.errors
    assert values == ([1, 2, 3] if kind == "Filter" else [10, 20, 30])


@pytest.mark.parametrize("kind", ["list", "For"])
def test_one_element_is_an_element(kind: str, overrides: Any) -> None:
    """VisTrails' own way is enough for one, unless something else becomes of it."""
    overrides(onError="continue", valueForFailed="-1")
    assert ran(kind, HALF, [4])[1] == [-1]


def test_every_port_of_a_list_has_the_value(overrides: Any) -> None:
    overrides(onError="continue", valueForFailed="-1")
    function = typed(HALF + "\np = i", outputs=("o", "p"))
    workflow = iterated(function, given([1, 4, 3]))
    sink = replace(workflow.parts[1])
    both = Workflow(
        [*workflow.parts, sink], [*workflow.connections, (0, "p", len(workflow.parts), "x")]
    )
    with on_engines():
        result = run(both, CONTROL_FLOW, "o")
    assert result.values[1] == [12, -1, 4] and result.values[3] == [1, -1, 3]


def test_what_can_be_interrupted_only_there_is_not_measured_here(overrides: Any) -> None:
    from parallelflow.loops.activation import running
    from parallelflow.loops.choice import Scope

    overrides(onError="continue", elementTimeout=1.0)
    with running(Scope.WORTH_IT):
        result = run(listed(LATE, [3, 4]), CONTROL_FLOW, "o")
    assert result.values[0] == [None, 8]


def test_a_port_of_another_module_is_its_own(core: Any) -> None:
    """A fold of a user's may have a port Retries that means something else."""
    from parallelflow.loops.element_policy import element_policy

    class Fold:
        inputPorts = {"ValueForFailed": ()}

        def force_get_input(self, port: str) -> Any:
            raise AssertionError(port)

    assert element_policy(Fold()).is_vistrails_own


@pytest.mark.parametrize("kind", LOOPS)
def test_lack_of_memory_is_told_with_how_much_there_was(kind: str) -> None:
    result, _, _ = ran(kind, "raise MemoryError('no room')\no = i", [0, 1])
    [(_, message)] = result.errors.values()
    assert "MemoryError: no room (the element's process had " in message
