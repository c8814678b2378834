"""Lists of lists that iterate by themselves: the elements of the innermost lists go to engines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.loops.test_lists import ANY, SUSPENDS, collector, given, iterated, same, typed
from tests.map.test_table import doubling
from tests.support.loops import Jobs, both, on_engines
from tests.support.workflows import CONTROL_FLOW, Result, Workflow, forget_results, run

pytestmark = pytest.mark.usefixtures("cluster")


def alone(function: Any, *lists: Any) -> Workflow:
    """Return a workflow of lists into a module (0), whose outputs nothing takes."""
    ports = [(n, "o", 0, "ijk"[n - 1]) for n in range(1, 1 + len(lists))]
    return Workflow([function, *lists], ports)


def elements(workflow: Workflow) -> tuple[Result, list[int]]:
    """Run a workflow with its loops on engines; return how many elements each loop had, too."""
    with on_engines() as runs:
        ours = run(workflow, CONTROL_FLOW, "o")
    return ours, [runs[number].total for number in sorted(runs)]


@pytest.mark.parametrize(
    "value, depth, total",
    [
        ([[1, 2, 3, 4, 5]], 2, 5),
        ([[1, 2], [3], [], [4, 5, 6]], 2, 6),
        (([1, 2], (3, 4)), 2, 4),
        ([[[1], [2, 3]], [[4]], [[5, 6]]], 3, 6),
    ],
)
def test_the_elements_of_all_lists_are_sent_together(value: Any, depth: int, total: int) -> None:
    function = typed("o = (i, self.signature, self.list_depth)")
    workflow = alone(function, given(value, depth))
    same(workflow, loops=1)
    assert elements(workflow)[1] == [total]


@pytest.mark.parametrize("order", ["pairwise", "cartesian", '["cartesian", "j", "i"]'])
def test_two_ports_at_two_depths(order: str) -> None:
    function = typed("o = (i, j, self.signature)", ("i", "j"), control={"loop_type": order})
    both_deep = alone(function, given([[1, 2], [3, 4]], 2), given([[5], [6, 7]], 2))
    same(both_deep, loops=1)
    if "[" not in order:  # VisTrails refuses a port that is not iterated over on each level
        same(alone(function, given([[1, 2], [3]], 2), given([5, 6])), loops=1)


def test_a_port_that_an_order_leaves_out() -> None:
    function = typed("o = (i, j)", ("i", "j"), control={"loop_type": '["pairwise", "i"]'})
    same(alone(function, given([[1, 2], [3]], 2), given([[4, 5], [6]], 2)), loops=None)


@pytest.mark.parametrize("name", ["Group", "Doubled"])
def test_groups_and_subworkflows(name: str) -> None:
    same(iterated(doubling(name), given([[1, 2], [3]], 2, port=ANY)), loops=None)


def test_a_failed_element_is_told_with_its_place_in_both_lists(overrides: Any) -> None:
    workflow = alone(typed("o = 6 // i"), given([[1, 2], [3, 0, 1], [0]], 2))
    error = same(workflow).raw.errors[0]
    assert (error.element.index, error.element.path) == (3, (1, 1))
    assert error.errorTrace.startswith("Element 3 ([1][1]) of 6: 0\n")
    overrides(onError="finish others")
    text = elements(workflow)[0].errors[0][1]
    assert text.startswith("2 of 6 elements failed. Element 3 ([1][1]) (0): ")
    assert "the same: element 5 ([2][0]) (0)" in text


def test_an_element_that_is_left_out_keeps_its_place(overrides: Any) -> None:
    workflow = iterated(typed("o = 6 // i"), given([[1, 2], [3, 0], []], 2))
    overrides(onError="continue", valueForFailed="-1")
    ours, _ = elements(workflow)
    assert ours.errors == {} and ours.values[0] == [[6, 3], [2, -1], None]


def test_elements_that_wait_for_jobs() -> None:
    workflow = alone(typed(SUSPENDS), given([[0, 1], [2], [], [3, 5]], 2))
    told: list[list[tuple[str, str]]] = []
    results = []
    for runs_here in (True, False):
        jobs = Jobs()
        if runs_here:
            results.append(run(workflow, CONTROL_FLOW, "o", job_monitor=jobs))
        else:
            with on_engines():
                results.append(run(workflow, CONTROL_FLOW, "o", job_monitor=jobs))
        told.append(sorted((error.name, error.msg) for error in jobs.parents))
    serial, ours = results
    assert told[0] == told[1] and ("PythonSource/3", "waiting") not in told[0]
    assert ours.log == serial.log and ours.errors == serial.errors == {}
    whole = [e for e in jobs.parents if e.msg == "function module suspended in 2/4 iterations"]
    assert [child.loop_iteration for child in whole[0].children] == [0, 3]


@pytest.mark.parametrize("value", [[[1, 2], [3, "x"]], [["x", 2], [3]], [[1, 2], [0, 3], ["x"]]])
def test_types_are_checked_list_by_list_if_the_user_wants(value: Any, core: Any) -> None:
    core.temp_configuration.showConnectionErrors = True
    try:
        same(alone(typed("o = 6 // i"), given(value, 2)), loops=None)
    finally:
        core.temp_configuration.showConnectionErrors = False


def test_a_list_that_is_refused_after_others_of_its_list() -> None:
    same(alone(typed("o = i"), given([[[1], 2], [[3]]], 3)), loops=None)


@pytest.mark.parametrize("value", [[[1, 2], 3], [5, [1]], [[1], iter([2, 3])]])
def test_lists_of_other_things_than_lists(value: Any) -> None:
    same(alone(typed("o = i"), given(value, 2)), loops=None)


def test_a_value_that_cannot_travel_is_computed_here() -> None:
    function = typed("o = (n for n in range(i)) if i > 1 else [i]")
    parts = [function, collector("o = [list(each) for each in x]"), given([[1, 2], [1], [3]], 2)]
    workflow = Workflow(parts, [(2, "o", 0, "i"), (0, "o", 1, "x")])
    serial, ours, _ = both(workflow, port="o")
    assert ours.values[1] == serial.values[1] == [[[1], [0, 1]], [[1]], [[0, 1, 2]]]
    assert ours.log == serial.log


def test_output_is_marked_with_the_place_in_both_lists(capfd: Any) -> None:
    assert not elements(alone(typed("print('at', i)\no = i"), given([[1], [2, 3]], 2)))[0].errors
    marked = [line for line in capfd.readouterr().out.splitlines() if " at " in line]
    assert marked == [
        "[PythonSource, element 0 ([0][0]) of 3] at 1",
        "[PythonSource, element 1 ([1][0]) of 3] at 2",
        "[PythonSource, element 2 ([1][1]) of 3] at 3",
    ]


def test_what_a_failed_loop_has_computed_is_not_computed_again(overrides: Any) -> None:
    workflow = alone(typed("o = 6 // i"), given([[1, 2], [0, 3]], 2))
    overrides(onError="finish others")
    forget_results()
    assert elements(workflow)[0].errors
    with on_engines() as runs:
        assert run(workflow, CONTROL_FLOW, "o", flush=False).errors
    assert [each.known for each in runs.values()] == [3]
