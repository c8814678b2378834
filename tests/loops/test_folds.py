"""Filter, and folds that users derive: the function on engines, their operation() here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.map.test_table import doubling, same_values
from tests.support.loops import Jobs, both, on_engines
from tests.support.workflows import (
    CONTROL_FLOW,
    PARALLEL_FLOW,
    Part,
    Workflow,
    constant,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("cluster")


def folded(name: str, function: Part, elements: Any, ports: str = "['i']") -> Workflow:
    fold = Part(name, CONTROL_FLOW, functions={"InputPort": ports, "OutputPort": "o"})
    return Workflow(
        [function, fold, constant(elements)],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")],
    )


def same(workflow: Workflow, loops: int = 1) -> Any:
    serial, ours, ran = both(workflow)
    assert ran == loops
    assert ours.errors == serial.errors
    assert same_values(ours.values, serial.values), (ours.values, serial.values)
    assert ours.executed == serial.executed
    if not serial.errors:
        assert ours.log == serial.log
    return ours


@pytest.fixture
def fold_of_users(core: Any) -> Callable[..., str]:
    """Return a function that registers a fold of a user's; it returns the module's name."""
    from vistrails.core.modules.basic_modules import Variant
    from vistrails.core.modules.module_registry import get_module_registry

    registry = get_module_registry()
    package = registry.get_package_by_name(CONTROL_FLOW)

    def register(base: type, **methods: Any) -> str:
        name = f"Fold{len(package.descriptor_list)}"
        cls = type(name, (base,), {"__module__": __name__, **methods})
        registry.add_module(cls, package=CONTROL_FLOW, package_version=package.version)
        registry.add_output_port(cls, "Result", (Variant, ""))
        return name

    return register


def begin_with_nothing(self: Any) -> None:
    self.initialValue = []


def test_a_filter() -> None:
    ours = same(folded("Filter", source("o = i % 3 == 0"), list(range(40))))
    assert ours.values[1] == list(range(0, 40, 3))


def test_a_filter_by_a_group_and_of_an_empty_list() -> None:
    same(folded("Filter", source("o = bool(i - j)", ("i", "j")), [(1, 1), (1, 2)], "['i', 'j']"))
    assert same(folded("Filter", source("o = True"), []), loops=0).values[1] == []


def test_a_filter_whose_function_is_no_condition() -> None:
    ours = same(folded("Filter", doubling(), [1, 2]))
    assert ours.errors[1][1].endswith("must return a boolean result.")


@pytest.mark.parametrize("parallel_map", [False, True])
def test_the_operation_of_a_class_derived_from_map_is_honoured(
    parallel_map: bool, fold_of_users: Callable[..., str]
) -> None:
    from vistrails.packages.controlflow.utils import Map as SerialMap

    from parallelflow.map import Map

    def operation(self: Any) -> None:
        self.partialResult.append((self.element, self.elementResult, len(self.partialResult)))

    name = fold_of_users(Map if parallel_map else SerialMap, operation=operation)
    workflow = folded(name, source("o = i * i"), list(range(30)))
    if parallel_map:
        ours = run(workflow, CONTROL_FLOW)
    else:
        ours = same(workflow)
    assert ours.values[1] == [(i, i * i, i) for i in range(30)]


def test_an_operation_that_raises_ends_the_run_at_its_element(
    fold_of_users: Callable[..., str], tmp_path: Any
) -> None:
    from vistrails.core.modules.vistrails_module import ModuleError
    from vistrails.packages.controlflow.fold import FoldWithModule

    def operation(self: Any) -> None:
        if self.elementResult > 2:
            raise ModuleError(self, f"enough: {self.partialResult}")
        self.partialResult = [*self.partialResult, self.elementResult]

    name = fold_of_users(FoldWithModule, operation=operation, setInitialValue=begin_with_nothing)
    code = (
        "import os, time\n"
        f"open(os.path.join({str(tmp_path)!r}, str(i)), 'w').close()\n"
        "time.sleep(0.02)\n"
        "o = i"
    )
    ours = same(folded(name, source(code), list(range(200))))
    assert ours.errors == {1: (name, "enough: [0, 1, 2]")}
    for file in tmp_path.iterdir():
        file.unlink()
    with on_engines():
        run(folded(name, source(code), list(range(200))), CONTROL_FLOW)
    assert len(list(tmp_path.iterdir())) < 150  # the rest was not run


def test_operations_before_a_failed_element_are_carried_out(
    fold_of_users: Callable[..., str],
) -> None:
    from vistrails.packages.controlflow.fold import FoldWithModule

    seen: list[Any] = []

    def operation(self: Any) -> None:
        seen.append(self.elementResult)

    name = fold_of_users(FoldWithModule, operation=operation, setInitialValue=begin_with_nothing)
    workflow = folded(name, source("o = 6 / i"), [1, 2, 3, 0, 4])
    serial, ours, _ = both(workflow)
    assert ours.errors == serial.errors and 0 in ours.errors
    assert seen == [6, 3, 2] * 2


SUSPENDS = """
from vistrails.core.modules.vistrails_module import ModuleSuspended
class Handle(object):
    def finished(self): return False
    def val(self): return None
if i % 2: raise ModuleSuspended(self, 'waiting', handle=Handle())
o = i
"""


def test_operations_follow_the_elements_that_are_not_suspended(
    fold_of_users: Callable[..., str],
) -> None:
    from vistrails.packages.controlflow.fold import FoldWithModule

    seen: list[Any] = []

    def operation(self: Any) -> None:
        seen.append(self.elementResult)

    name = fold_of_users(FoldWithModule, operation=operation, setInitialValue=begin_with_nothing)
    serial, ours, _ = both(folded(name, source(SUSPENDS), [0, 1, 2, 3, 4]), job_monitor=Jobs())
    assert seen == [0, 2, 4] * 2
    assert {i: e.msg for i, e in ours.raw.suspended.items()} == {
        i: e.msg for i, e in serial.raw.suspended.items()
    }
    assert ours.raw.suspended


def test_a_map_of_ours_is_a_map_for_the_session_scope_too() -> None:
    workflow = Workflow(
        [
            source("o = -i"),
            Part("Map", PARALLEL_FLOW, functions={"InputPort": "['i']", "OutputPort": "o"}),
            constant([1, 2]),
        ],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")],
    )
    with on_engines() as runs:
        assert run(workflow, CONTROL_FLOW).values[1] == [-1, -2]
    assert len(runs) == 1
