"""Cases in which a Map could differ from Control Flow's: each by both, side by side."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy
import pytest

from tests.support.workflows import (
    BASIC,
    CONTROL_FLOW,
    PARALLEL_FLOW,
    Part,
    Progress,
    Result,
    Workflow,
    constant,
    forget_results,
    group,
    map_part,
    mapped,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("cluster")

# What a second line adds to the serial Map's text.
HINT = r"Element \d+ \(the first is 0\) is .*|PythonSource has run without giving it a value\."


def both(workflow: Workflow, **settings: Any) -> tuple[Result, Result]:
    serial = run(workflow, CONTROL_FLOW, **settings)
    forget_results()
    return serial, run(workflow, PARALLEL_FLOW, **settings)


def same(workflow: Workflow, log: bool = True) -> Result:
    """Check that both Maps give the same values, errors and nesting of the log; return ours."""
    serial, ours = both(workflow)
    assert without_hints(ours.errors, serial.errors) == serial.errors
    assert same_values(ours.values, serial.values), (ours.values, serial.values)
    assert ours.executed == serial.executed
    if log and not serial.errors:  # after an error ours also has what ran at the same time
        assert ours.log == serial.log
    return ours


def without_hints(
    ours: dict[int, tuple[str, str]], serial: dict[int, tuple[str, str]]
) -> dict[int, tuple[str, str]]:
    """Return our errors without the line that says more than the serial Map does."""
    found = {}
    for number, (module, text) in ours.items():
        promised = serial.get(number, ("", ""))[1]
        hint = text.removeprefix(f"{promised}\n")
        assert hint == text or re.fullmatch(HINT, hint), text
        found[number] = (module, text if hint == text else promised)
    return found


def same_values(a: Any, b: Any) -> bool:
    """Whether two values are equal, types and arrays included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_values(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same_values(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, numpy.ndarray):
        return a.dtype == b.dtype and numpy.array_equal(a, b)
    if hasattr(a, "name") and type(a).__name__ == "PathObject":
        return bool(a.name == b.name)
    return bool(a == b) or (a != a and b != b)


def add(inputs: tuple[str, ...] = ("i",)) -> Part:
    return source("o = " + " + ".join(inputs), inputs)


def doubling(name: str = "Group") -> Part:
    """A Group of InputPort -> PythonSource -> OutputPort."""
    return group([source("o = i * 2")], [], {"i": (0, "i")}, {"o": (0, "o")}, name)


# -- how elements reach the ports ---------------------------------------------------------


@pytest.mark.parametrize("ports", ["['i']", "('i',)", "'i'"])
def test_one_input_name_in_any_spelling(ports: str) -> None:
    assert same(mapped(source("o = i + 1"), [1, 2, 8, 9.1], ports)).values[1] == [2, 3, 9, 10.1]


def test_the_name_may_be_a_plain_string() -> None:
    workflow = Workflow(
        [source("o = i + 1"), map_part(None), constant([1, 2]), constant("i")],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 1, "InputPort")],
    )
    assert same(workflow).values[1] == [2, 3]


@pytest.mark.parametrize(
    "elements", [[(1, 2), (3, 8)], [[1, 2], [3, 8]], ["ab", "cd"], [numpy.arange(2)] * 3]
)
def test_several_input_names(elements: Any) -> None:
    same(mapped(add(("i", "j")), elements, "['i', 'j']"))


def test_of_a_name_given_twice_the_last_part_wins() -> None:
    assert same(mapped(source("o = i"), [(1, 2), (3, 4)], "['i', 'i']")).values[1] == [2, 4]


@pytest.mark.parametrize("elements", [[(1, 2, 3)], [(1, 2), (3,)], [(1, 2), ()]])
def test_wrong_length_before_anything_runs(elements: Any) -> None:
    ours = same(mapped(add(("i", "j")), elements, "['i', 'j']"))
    index = next(i for i, element in enumerate(elements) if len(element) != 2)
    element = elements[index]
    hint = f"Element {index} (the first is 0) is {element}, of type tuple; InputPort names i, j."
    text = f"The number of input values and input ports are not the same.\n{hint}"
    assert ours.errors == {1: ("Map", text)}


def test_a_scalar_for_several_names() -> None:
    ours = same(mapped(add(("i", "j")), [1, 2], "['i', 'j']"))
    first, hint = ours.errors[1][1].splitlines()
    assert first == "Uncaught exception: TypeError: object of type 'int' has no len()"
    assert hint == "Element 0 (the first is 0) is 1, of type int; InputPort names i, j."


def test_no_input_name() -> None:
    serial, ours = both(mapped(source("o = 1", ()), [1, 2], "[]"))
    assert serial.errors.keys() == ours.errors.keys() == {1}
    assert "TypeError" in ours.errors[1][1]


def test_an_unknown_input_port() -> None:
    serial, ours = both(mapped(source("o = 1"), [1], "['zz']"))
    assert serial.errors == {1: ("Map", "Uncaught exception: KeyError: 'zz'")}
    assert ours.errors.keys() == {1}
    assert ours.errors[1][1].startswith(serial.errors[1][1])
    assert "PythonSource" in ours.errors[1][1]


# -- types and values --------------------------------------------------------------------


@pytest.fixture
def connection_errors(core: Any) -> Any:
    configuration = core.temp_configuration
    configuration.showConnectionErrors = True
    yield
    configuration.showConnectionErrors = False


@pytest.mark.usefixtures("connection_errors")
@pytest.mark.parametrize(
    "elements", [[1, 2, 3], [1, "x", 3], ["a"], [1.5, 2], [[1], 2], [True, 1], [None, 1]]
)
def test_types_are_checked_only_if_the_user_wants(elements: Any) -> None:
    part = source("o = i")
    part = Part(part.name, functions=part.functions, inputs={"i": f"{BASIC}:Integer"},
                outputs=part.outputs)  # fmt: skip
    same(mapped(part, elements))


def test_values_of_any_kind_keep_their_type() -> None:
    from vistrails.core.modules.basic_modules import PathObject

    elements: list[Any] = [
        1, 2.5, 3j, "text", b"bytes", None, True, (1, "a"), [1, [2]], {"a": 1}, {1, 2},
        Fraction(1, 3), numpy.int64(4), numpy.float32(0.5), numpy.arange(6).reshape(2, 3),
        PathObject("somewhere.txt"), range(3),
    ]  # fmt: skip
    ours = same(mapped(source("o = (i, type(i).__name__)"), elements))
    assert [v[1] for v in ours.values[1]] == [type(e).__name__ for e in elements]


def test_lambdas_and_closures_travel() -> None:
    def power(n: int) -> Callable[[int], int]:
        return lambda x: x**n

    ours = same(mapped(source("o = i(3)"), [power(1), power(2), lambda x: -x]))
    assert ours.values[1] == [3, 9, -3]


def test_an_element_that_cannot_travel_is_named() -> None:
    ours = run(mapped(source("o = 1"), [1, threading.Lock(), 3]), PARALLEL_FLOW)
    assert ours.errors[1][0] == "Map"
    text = ours.errors[1][1]
    assert "Element 1 of 3" in text and "cannot be sent" in text


# -- the function and its other ports -----------------------------------------------------


def test_any_output_of_the_function_may_feed_functionport() -> None:
    workflow = Workflow(
        [Part("String", functions={"value": "x"}), map_part("['value']", "value"), constant("ab")],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")],
    )
    assert same(workflow).values[1] == ["a", "b"]


def test_no_function_but_an_empty_list() -> None:
    workflow = Workflow([map_part(), constant([])], [(1, "o", 0, "InputList")])
    assert same(workflow).values[0] == []


def test_no_function() -> None:
    serial, ours = both(Workflow([map_part(), constant([1])], [(1, "o", 0, "InputList")]))
    assert serial.errors.keys() == ours.errors.keys() == {0}
    assert "FunctionPort is not connected" in ours.errors[0][1]


def test_of_several_functions_each_runs_and_the_last_one_counts() -> None:
    workflow = Workflow(
        [source("o = i + 1"), source("o = i * 10"), map_part(), constant([1, 2, 3])],
        [
            (0, "self", 2, "FunctionPort"),
            (1, "self", 2, "FunctionPort"),
            (3, "o", 2, "InputList"),
        ],
    )
    serial, ours = both(workflow)
    assert ours.values == serial.values
    assert ours.values[2] in ([10, 20, 30], [2, 3, 4])
    assert ours.executed == serial.executed
    assert ours.log == serial.log


def other_input(code: str, value: Any = 100) -> Workflow:
    """A function whose port j is connected to a module of its own."""
    upstream = source(f"o = {value!r}" if not isinstance(value, Part) else "", ())
    return Workflow(
        [
            source(code, ("i", "j")),
            map_part(),
            constant([1, 2, 3]),
            value if isinstance(value, Part) else upstream,
        ],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "j")],
    )


def test_another_connected_input_is_computed_once() -> None:
    counting = source(
        "import tests.support.workflows as w\nw.TABLE['n'] = w.TABLE.get('n', 0) + 1\no = 100", ()
    )
    from tests.support.workflows import TABLE

    TABLE["n"] = 0
    ours = same(other_input("o = i + j", counting))
    assert ours.values[1] == [101, 102, 103]
    assert TABLE["n"] == 2  # once for each Map


def test_an_array_on_another_port_can_be_written_to_as_before() -> None:
    array = constant(numpy.zeros(10_000))
    ours = same(other_input("j[0] = i\no = (float(j[0]), j.flags.writeable)", array))
    assert ours.values[1] == [(1.0, True), (2.0, True), (3.0, True)]


def test_an_error_upstream_is_that_modules_own() -> None:
    ours = same(other_input("o = i", source("fail('no data')", ())))
    assert ours.errors == {3: ("PythonSource", "no data")}


def test_the_element_replaces_a_parameter_or_a_connection() -> None:
    part = Part("String", functions={"value": "replaced"})
    same(mapped(part, ["a", "b"], "['value']", "value"))
    workflow = other_input("o = (i, j)")
    parts = [workflow.parts[0], map_part("['j']"), *workflow.parts[2:]]
    parts.append(constant("i"))
    ours = same(Workflow(parts, [*workflow.connections, (4, "o", 0, "i")]))
    assert ours.values[1] == [("i", 1), ("i", 2), ("i", 3)]


def test_parameters_on_other_ports_and_defaults() -> None:
    part = source("o = (i, j)", ("i", "j"))
    part = Part(
        part.name,
        functions={**part.functions, "j": "7"},
        inputs={"i": part.inputs["i"], "j": f"{BASIC}:Integer"},
        outputs=part.outputs,
    )
    assert same(mapped(part, [1, 2])).values[1] == [(1, 7), (2, 7)]


def test_a_while_loop_on_the_function() -> None:
    part = source(
        "o = i * 2\ndone = o < 100",
        ("i",),
        ("o", "done"),
        control={
            "while_cond": "done",
            "while_max": "50",
            "while_input": "['i']",
            "while_output": "['o']",
        },
    )
    workflow = mapped(part, [1, 7, 99])
    sink = source("pass", ("x", "y"), ())
    connections = [*workflow.connections, (0, "o", 3, "x"), (0, "done", 3, "y")]
    assert same(Workflow([*workflow.parts, sink], connections)).values[1] == [128, 112, 198]


# -- Groups, SubWorkflows, user packages --------------------------------------------------


def test_a_group_is_run_for_each_element() -> None:
    ours = same(mapped(doubling(), [1, 2, "ab"]))
    assert ours.values[1] == [2, 4, "abab"]


def test_a_group_with_several_ports_and_inner_sinks() -> None:
    part = group(
        [source("o = i + j", ("i", "j")), source("o = x * 10", ("x",)), source("pass", ("x",))],
        [(0, "o", 1, "x"), (0, "o", 2, "x")],
        {"a": (0, "i"), "b": (0, "j")},
        {"result": (1, "o")},
    )
    ours = same(mapped(part, [(1, 2), (3, 4)], "['a', 'b']", "result"))
    assert ours.values[1] == [30, 70]


def test_a_group_inside_a_group() -> None:
    part = group([doubling()], [], {"i": (0, "i")}, {"o": (0, "o")})
    assert same(mapped(part, [1, 2, 3])).values[1] == [2, 4, 6]


def test_a_groups_modules_are_new_for_each_element() -> None:
    remember = "self.seen = getattr(self, 'seen', []) + [i]\nn.append(i)\no = (self.seen, list(n))"
    inner = source(remember, ("i", "n"))
    inner = Part(
        inner.name,
        functions={**inner.functions, "n": "[]"},
        inputs={"i": inner.inputs["i"], "n": f"{BASIC}:List"},
        outputs=inner.outputs,
    )
    ours = same(mapped(group([inner], [], {"i": (0, "i")}, {"o": (0, "o")}), [1, 2, 3]))
    assert ours.values[1] == [([1], [1]), ([2], [2]), ([3], [3])]


def test_a_group_with_cached_and_uncached_modules_inside() -> None:
    text = Part("String", functions={"value": "text"})
    part = group(
        [text, source("o = (i, t)", ("i", "t"), cache=False), Part("ConcatenateString")],
        [(0, "value", 1, "t"), (0, "value", 2, "str1"), (0, "value", 2, "str2")],
        {"i": (1, "i")},
        {"o": (1, "o"), "c": (2, "value")},
    )
    assert same(mapped(part, [1, 2])).values[1] == [(1, "text"), (2, "text")]
    assert same(mapped(part, [1, 2], output="c")).values[1] == ["texttext"] * 2


def test_a_subworkflow_is_logged_by_its_name() -> None:
    ours = same(mapped(doubling("Doubling"), [1, 2]))
    assert ours.values[1] == [2, 4]
    assert "('SubWorkflow', 'Doubling', 0)" in str(ours.log)


def test_a_subworkflow_inside_a_group() -> None:
    part = group([doubling("Inner")], [], {"i": (0, "i")}, {"o": (0, "o")})
    ours = same(mapped(part, [1, 2, 3]))
    assert ours.values[1] == [2, 4, 6]
    assert "('SubWorkflow', 'Inner', 0)" in str(ours.log)


# -- nothing to do, and errors ------------------------------------------------------------


def test_an_empty_list_needs_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    from parallelflow.engine_manager import EngineManager

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("an empty list asked for a cluster")

    monkeypatch.setattr(EngineManager, "ensure_engines", refuse)
    assert same(mapped(source("o = i"), [])).values[1] == []


def test_an_element_that_raises(cluster: Any) -> None:
    ours = same(mapped(source("o = 1 / i"), [1, 2, 0, 4]), log=False)
    assert ours.errors[0][1] == "Uncaught exception: ZeroDivisionError: division by zero"
    failure = ours.raw.errors[0].element
    assert (failure.index, failure.total, failure.input) == (2, 4, "0")
    assert failure.engine in [e.id for e in cluster.info().engines] and failure.host
    assert "ZeroDivisionError" in ours.raw.errors[0].errorTrace
    assert "\x1b[" not in ours.raw.errors[0].errorTrace


def test_the_lowest_failing_element_is_reported() -> None:
    slow_first = "import time\nif i == 3: time.sleep(0.5)\nif i >= 3: fail('element %d' % i)\no = i"
    for _ in range(3):
        ours = run(mapped(source(slow_first), list(range(12))), PARALLEL_FLOW)
        assert ours.errors == {0: ("PythonSource", "element 3")}


def test_what_has_finished_stays_in_the_log() -> None:
    serial, ours = both(mapped(source("o = 1 / i"), [1, 2, 0]))

    def iterations(result: Result) -> list[Any]:
        maps = [i for i in result.workflow_exec.item_execs if i.module_name == "Map"]
        return sorted(maps[0].loop_execs[0].loop_iterations, key=lambda i: i.iteration)

    assert [i.iteration for i in iterations(ours)] == [0, 1, 2]
    for mine, theirs in zip(iterations(ours), iterations(serial), strict=True):
        assert mine.completed == theirs.completed
        assert mine.item_execs[0].completed == theirs.item_execs[0].completed
        assert mine.item_execs[0].error == theirs.item_execs[0].error


def test_an_element_that_raises_inside_a_group() -> None:
    part = group([source("o = 1 / i")], [], {"i": (0, "i")}, {"o": (0, "o")})
    ours = same(mapped(part, [1, 0]), log=False)
    assert ours.errors[0][1].startswith("Error(s) inside group:\nPythonSource: ")


def test_fail_gives_just_its_text() -> None:
    assert same(mapped(source("fail('x')"), [1]), log=False).errors[0] == ("PythonSource", "x")


# -- lists, what stays untouched, progress, and how a run ends ----------------------------


@pytest.mark.parametrize("elements", [(1, 2), numpy.arange(3), range(4), "abc", {"k": 1}])
def test_any_iterable_with_a_length_is_a_list(elements: Any) -> None:
    same(mapped(source("o = (i, type(i).__name__)"), elements))


def test_two_connections_are_concatenated() -> None:
    workflow = Workflow(
        [source("o = i"), map_part(), constant([1, 2]), constant([3])],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 1, "InputList")],
    )
    assert sorted(same(workflow).values[1]) == [1, 2, 3]


def test_the_function_itself_is_never_touched() -> None:
    workflow = mapped(Part("String", functions={"value": "own"}), ["a"], "['value']", "value")
    ours = run(workflow, PARALLEL_FLOW)
    function = ours.raw.objects[0]
    assert [c() for c in function.inputPorts["value"]] == ["own"]


def test_progress_grows_to_the_end() -> None:
    view = Progress()
    code = "import time\ntime.sleep(0.02)\no = i"
    ours = run(mapped(source(code), list(range(40))), PARALLEL_FLOW, view=view)
    seen = view.seen[1]
    assert ours.values[1] == list(range(40))
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(set(seen)) > 4


def test_cancel_stops_what_runs_and_the_engines_live_on(cluster: Any) -> None:
    import time

    from vistrails.core.interpreter.base import AbortExecution

    def stop(module: int, progress: float) -> None:
        if progress > 0:
            stopped.append(time.monotonic())
            raise AbortExecution("by the user")

    stopped: list[float] = []
    code = "import time\nif i: time.sleep(60)\no = i"
    ours = run(mapped(source(code), list(range(9))), PARALLEL_FLOW, view=Progress(stop))
    assert time.monotonic() - stopped[0] < 40  # an element takes 60
    assert ours.errors.keys() == {1}
    client = cluster.connect()
    assert len(client.ids) == 2
    assert same(mapped(source("o = -i"), [1, 2])).values[1] == [-1, -2]


def test_keyboardinterrupt_in_an_element() -> None:
    ours = same(mapped(source("raise KeyboardInterrupt"), [1, 2]), log=False)
    assert ours.errors[0] == ("PythonSource", "Interrupted by user")
