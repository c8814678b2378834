"""For over a range: what Control Flow's gives, engines give."""

from __future__ import annotations

from typing import Any

import pytest

from tests.map.test_table import doubling
from tests.support.loops import Jobs, both
from tests.support.workflows import CONTROL_FLOW, Part, Workflow, group, source

pytestmark = pytest.mark.usefixtures("cluster")


def counted(function: Part, lower: int, higher: int, port: str | None = "i") -> Workflow:
    functions: dict[str, Any] = {"LowerBound": lower, "HigherBound": higher, "OutputPort": "o"}
    if port is not None:
        functions["InputPort"] = port
    loop = Part("For", CONTROL_FLOW, functions=functions)
    sink = Part("PythonSource", functions={"source": "o%20%3D%20x"}, inputs={"x": VARIANT})
    return Workflow([function, loop, sink], [(0, "self", 1, "FunctionPort"), (1, "Result", 2, "x")])


VARIANT = "org.vistrails.vistrails.basic:Variant"


@pytest.mark.parametrize("bounds", [(0, 30), (5, 9), (-4, 4)])
def test_a_range(bounds: tuple[int, int]) -> None:
    same_results(counted(source("o = (i, self.signature)"), *bounds))


def same_results(workflow: Workflow, loops: int = 1, **settings: Any) -> Any:
    serial, ours, ran = both(workflow, **settings)
    assert ran == loops
    assert ours.errors == serial.errors
    assert ours.values == serial.values
    assert ours.executed == serial.executed
    if not serial.errors:
        assert ours.log == serial.log
    return ours


@pytest.mark.parametrize("bounds", [(0, 0), (3, 1), (7, 8)])
def test_ranges_that_are_too_short_stay_here(bounds: tuple[int, int]) -> None:
    same_results(counted(source("o = i"), *bounds), loops=0)


def test_without_an_input_port_and_with_a_group() -> None:
    same_results(counted(source("o = 1", ()), 0, 3, None))
    same_results(counted(doubling(), 2, 6))
    inner = group([source("o = 12 // i")], [], {"i": (0, "i")}, {"o": (0, "o")})
    assert same_results(counted(inner, -2, 6)).errors


def test_a_function_that_fails_or_has_no_such_port() -> None:
    assert list(same_results(counted(source("o = 1 // (i - 3)"), 0, 6)).errors) == [0]
    serial, ours, _ = both(counted(source("o = 1"), 0, 3, "zz"))
    assert serial.errors.keys() == ours.errors.keys()
    missing = counted(source("p = i", outputs=("p",)), 0, 3)
    serial, ours, _ = both(missing)
    assert serial.errors == {0: ("PythonSource", "Invalid output port: o")}
    assert ours.errors[0][1].splitlines() == [
        "Invalid output port: o",
        "PythonSource has run without giving it a value.",
    ]


def test_numbers_that_wait_for_jobs() -> None:
    code = (
        "from vistrails.core.modules.vistrails_module import ModuleSuspended\n"
        "class Job(object):\n    def finished(self): return False\n"
        "if i % 2: raise ModuleSuspended(self, 'waiting', handle=Job())\n"
        "o = i"
    )
    serial, ours, _ = both(counted(source(code), 1, 5), job_monitor=Jobs())
    told = [{i: e.msg for i, e in r.raw.suspended.items()} for r in (serial, ours)]
    assert told[0] == told[1]
    assert told[1][1] == "function module suspended in 2/4 iterations"
