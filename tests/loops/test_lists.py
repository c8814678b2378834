"""Lists that iterate by themselves: whatever VisTrails gives, engines give."""

from __future__ import annotations

from typing import Any

import pytest

from tests.map.test_table import doubling, same_values
from tests.support.loops import Jobs, both
from tests.support.workflows import BASIC, Part, Result, Workflow, constant, run, source

pytestmark = pytest.mark.usefixtures("cluster")

ANY = "org.vistrails.vistrails.basic:Variant"
LIST = f"{BASIC}:List"
INTEGER = "org.vistrails.vistrails.basic:Integer"


def given(value: Any, depth: int = 1, port: str = INTEGER) -> Part:
    """Return a module whose output port ``o`` gives a list of some depth."""
    part = constant(value)
    return Part(part.name, functions=part.functions, outputs={"o": port}, depth=depth)


def typed(code: str, inputs: tuple[str, ...] = ("i",), port: str = INTEGER, **more: Any) -> Part:
    part = source(code, (), more.pop("outputs", ("o",)), **more)
    return Part(
        part.name,
        functions=part.functions,
        inputs=dict.fromkeys(inputs, port),
        outputs=dict.fromkeys(part.outputs, INTEGER),
        control=part.control,
    )


def collector(code: str) -> Part:
    """Return a module whose input port ``x`` takes a list as a whole."""
    return typed(code, ("x",), LIST)


def iterated(function: Part, *lists: Part, ports: str = "ijk") -> Workflow:
    """Return a workflow: lists into the ports of a module (0), its output into another (1)."""
    sink = collector("o = x")
    into = [(n, "o", 0, ports[n - 2]) for n in range(2, 2 + len(lists))]
    return Workflow([function, sink, *lists], [*into, (0, "o", 1, "x")])


def same(workflow: Workflow, loops: int | None = 1, **settings: Any) -> Result:
    serial, ours, ran = both(workflow, port="o", **settings)
    assert loops is None or ran == loops
    # Ours says in a second line which element has the wrong type.
    hint = "\nElement "
    assert {i: (kind, text.partition(hint)[0]) for i, (kind, text) in ours.errors.items()} == (
        serial.errors
    )
    assert same_values(ours.values, serial.values), (ours.values, serial.values)
    assert ours.executed == serial.executed
    if not serial.errors:
        assert ours.log == serial.log
    return ours


def test_one_port() -> None:
    ours = same(iterated(typed("o = i * i"), given(list(range(50)))))
    assert ours.values[1] == [i * i for i in range(50)]


@pytest.mark.parametrize(
    "order",
    ["pairwise", "cartesian", '["pairwise", "j", "i"]', '["cartesian", "j", ["pairwise", "i"]]'],
)
def test_two_ports_in_every_order(order: str) -> None:
    function = typed("o = (i, j)", ("i", "j"), control={"loop_type": order})
    same(iterated(function, given([1, 2, 3]), given([4, 5])))


def test_three_ports_in_an_order_of_the_users() -> None:
    order = '["cartesian", "k", ["pairwise", "i", "j"]]'
    function = typed("o = (i, j, k)", ("i", "j", "k"), control={"loop_type": order})
    same(iterated(function, given([1, 2]), given([3, 4]), given([5, 6, 7])))


@pytest.mark.parametrize("order", ["pairwise", "cartesian"])
def test_lists_of_lists(order: str) -> None:
    function = typed("o = (i, j)", ("i", "j"), control={"loop_type": order})
    same(iterated(function, given([[1, 2], [3], []], 2), given([4, 5])), loops=None)
    same(iterated(function, given([[1, 2], [3]], 2), given([[4, 5], [6]], 2)), loops=None)
    same(iterated(function, given([[[1], [2, 3]], [[4]]], 3), given([[4, 5], [6]], 2)), loops=None)


@pytest.mark.parametrize("elements", [[], [7]])
def test_lists_that_are_too_short_stay_here(elements: list[int]) -> None:
    same(iterated(typed("o = i"), given(elements)), loops=0)


def test_every_output_is_there_for_who_connects_it_later() -> None:
    function = typed("o = i\np = -i\nq = lambda: i", outputs=("o", "p", "q"))
    workflow = iterated(function, given([1, 2, 3]))
    with_p = Workflow(workflow.parts, [*workflow.connections[:-1], (0, "p", 1, "x")])
    with_q = Workflow(
        [function, collector("o = [f() for f in x]"), *workflow.parts[2:]],
        [*workflow.connections[:-1], (0, "q", 1, "x")],
    )
    from tests.support.loops import on_engines
    from tests.support.workflows import CONTROL_FLOW

    with on_engines():
        assert run(workflow, CONTROL_FLOW, "o").values[1] == [1, 2, 3]
        assert run(with_p, CONTROL_FLOW, "o", flush=False).values[1] == [-1, -2, -3]
        assert run(with_q, CONTROL_FLOW, "o", flush=False).values[1] == [1, 2, 3]


def test_an_element_that_fails() -> None:
    ours = same(iterated(typed("o = 6 // i"), given([1, 2, 0, 3])))
    assert list(ours.errors) == [0] and "ZeroDivisionError" in ours.errors[0][1]
    assert ours.raw.errors[0].element.index == 2


@pytest.mark.parametrize("name", ["Group", "Doubled"])
def test_groups_and_subworkflows(name: str) -> None:
    function = doubling(name)
    same(iterated(function, given([1, 2, 3], port=ANY)), loops=None)


def test_a_module_with_parameters_and_other_inputs() -> None:
    function = typed("o = i * j + k", ("i", "j", "k"), functions={"k": 100})
    same(iterated(function, given([1, 2, 3]), given(5, 0)))


def test_a_value_that_cannot_travel_is_computed_here(capfd: Any) -> None:
    workflow = Workflow(
        [
            typed("o = (x for x in range(i))"),
            collector("o = [list(g) for g in x]"),
            given([1, 2, 3]),
        ],
        [(2, "o", 0, "i"), (0, "o", 1, "x")],
    )
    serial, ours, ran = both(workflow, port="o")
    assert ran == 1 and ours.errors == {} and ours.log == serial.log
    assert ours.values[1] == serial.values[1] == [[0], [0, 1], [0, 1, 2]]
    assert "PythonSource stays in this process: Element 0 of 3" in capfd.readouterr().err


SUSPENDS = """
from vistrails.core.modules.vistrails_module import ModuleSuspended
class Job(object):
    def finished(self): return False
if i % 2: raise ModuleSuspended(self, 'waiting', handle=Job())
o = i
"""


def test_elements_that_wait_for_jobs() -> None:
    workflow = iterated(typed(SUSPENDS), given([0, 1, 2, 3]))
    serial, ours, _ = both(workflow, port="o", job_monitor=Jobs())
    told = [{i: e.msg for i, e in r.raw.suspended.items()} for r in (serial, ours)]
    assert told[0] == told[1] and told[1]
    assert ours.errors == serial.errors


def test_signatures_of_elements_are_vistrails_own() -> None:
    function = typed("o = (self.signature, self.list_depth)", ("i", "j"))
    same(iterated(function, given([1, 2]), given([3, 4])))


@pytest.mark.parametrize("elements", [[1, "x", 3], ["a", 2], [1, None]])
def test_types_are_checked_if_the_user_wants(elements: list[Any], core: Any) -> None:
    core.temp_configuration.showConnectionErrors = True
    try:
        same(iterated(typed("o = i"), given(elements)), loops=None)
    finally:
        core.temp_configuration.showConnectionErrors = False


def test_a_map_over_a_list_of_lists() -> None:
    parts = [
        source("o = i + 1"),
        Part(
            "Map",
            "org.vistrails.vistrails.control_flow",
            functions={"InputPort": "['i']", "OutputPort": "o"},
        ),
        given([[1, 2], [3]], 1, LIST),
        collector("o = x"),
    ]
    workflow = Workflow(
        parts, [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (1, "Result", 3, "x")]
    )
    same(workflow, loops=None)
