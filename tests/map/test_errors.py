"""What a scientist is told when elements fail, and what is not lost by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.workflows import (
    PARALLEL_FLOW,
    Part,
    Progress,
    Workflow,
    constant,
    group,
    map_part,
    mapped,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("cluster")

FINISH: dict[str, Any] = {"functions": {"OnError": "finish others"}}


def finishing(function: Part, elements: Any) -> Workflow:
    workflow = mapped(function, elements)
    return Workflow([function, map_part(**FINISH), workflow.parts[2]], workflow.connections)


def test_the_trace_says_which_element_where_and_why() -> None:
    part = group([source("o = {}[i]")], [], {"i": (0, "i")}, {"o": (0, "o")})
    ours = run(mapped(part, ["a", "b" * 500]), PARALLEL_FLOW)
    error = ours.raw.errors[0]
    assert error.msg == "Error(s) inside group:\nPythonSource: Uncaught exception: KeyError: 'a'"
    assert error.errorTrace.startswith("Element 0 of 2: 'a'\non engine ")
    assert error.element.host in error.errorTrace
    assert "\x1b[" not in error.errorTrace


def test_an_error_for_lack_of_memory_tells_how_much_there_was() -> None:
    refused = source("raise MemoryError('no room')")
    inside = group([refused], [], {"i": (0, "i")}, {"o": (0, "o")})
    for function in (refused, inside):
        text = run(mapped(function, [1]), PARALLEL_FLOW).errors[0][1]
        assert "Uncaught exception: MemoryError: no room (the element's process had " in text
        assert text.endswith(" at the most)"), text
    swallowed = (
        "try:\n    raise MemoryError\nexcept MemoryError:\n    pass\nraise ValueError('else')"
    )
    assert "process had" not in run(mapped(source(swallowed), [1]), PARALLEL_FLOW).errors[0][1]


def test_finish_others_names_every_failed_element() -> None:
    ours = run(finishing(source("o = 1 / i"), [1, 0, 2, 0, 4]), PARALLEL_FLOW)
    kind, text = ours.errors[0]
    assert kind == "PythonSource"
    assert text.startswith("2 of 5 elements failed. Element 1 (0): Uncaught exception: ZeroDiv")
    assert text.endswith("\n  the same: element 3 (0)")
    assert [f.index for f in ours.raw.errors[0].elements] == [1, 3]
    assert 1 not in ours.values  # never a shortened or shifted list


def test_many_failures_are_told_in_a_few_lines() -> None:
    ours = run(finishing(source("raise ValueError(i % 5)"), range(2000)), PARALLEL_FLOW)
    text, number = ours.errors[0][1], 2000
    first, *lines = text.splitlines()
    said = "Uncaught exception: ValueError"
    assert first == f"{number} of {number} elements failed. Element 0 (0): {said}: 0"
    assert lines == [
        "  the same: element 5 (5), element 10 (10), element 15 (15) and 396 more",
        f"element 1 (1): {said}: 1",
        "  the same: element 6 (6), element 11 (11), element 16 (16) and 396 more",
        f"element 2 (2): {said}: 2",
        "  the same: element 7 (7), element 12 (12), element 17 (17) and 396 more",
        "and 800 more with other messages",
    ]
    assert len(ours.raw.errors[0].elements) == number


def test_finish_others_has_run_them_all() -> None:
    ours = run(finishing(source("o = 1 / i"), [0, *range(1, 30)]), PARALLEL_FLOW)
    maps = [e for e in ours.workflow_exec.item_execs if e.module_name == "Map"]
    iterations = maps[0].loop_execs[0].loop_iterations
    assert sorted(i.iteration for i in iterations) == list(range(30))
    assert sum(i.completed == 1 for i in iterations) == 29


def test_the_settings_choose_the_policy_where_the_port_does_not(monkeypatch: Any) -> None:
    from parallelflow.loops import element_policy
    from parallelflow.settings import Settings

    monkeypatch.setattr(element_policy, "settings", lambda: Settings(onError="finish others"))
    ours = run(mapped(source("o = 1 / i"), [0, 1, 0]), PARALLEL_FLOW)
    assert ours.errors[0][1].startswith("2 of 3 elements failed")


def test_an_unknown_policy_is_a_clear_error() -> None:
    workflow = mapped(source("o = i"), [1])
    parts = [workflow.parts[0], map_part(functions={"OnError": "ignore"}), workflow.parts[2]]
    ours = run(Workflow(parts, workflow.connections), PARALLEL_FLOW)
    assert ours.errors == {
        1: ("Map", "OnError must be one of 'stop', 'finish others', 'continue', not 'ignore'.")
    }


def test_a_result_that_cannot_travel_is_named() -> None:
    code = "import threading\no = threading.Lock() if i == 2 else i"
    ours = run(finishing(source(code), [1, 2, 3]), PARALLEL_FLOW)
    kind, text = ours.errors[1]
    assert kind == "Map"
    assert "Element 1 of 3, 2, failed on engine" in text and "cannot be sent back" in text


def test_an_element_whose_class_an_engine_does_not_know_is_named() -> None:
    import sys
    import types

    module = types.ModuleType("only_on_the_client")
    exec("class Thing: pass", module.__dict__)
    sys.modules["only_on_the_client"] = module
    ours = run(mapped(source("o = 1"), [1, module.Thing(), 3]), PARALLEL_FLOW)
    assert "Element 1 of 3" in ours.errors[1][1]
    assert "cannot be read on the engine" in ours.errors[1][1]
    assert "No module named 'only_on_the_client'" in ours.errors[1][1]


def test_a_constant_input_that_cannot_travel_is_a_clear_error() -> None:
    import threading

    workflow = Workflow(
        [source("o = i", ("i", "j")), map_part(), constant([1]), constant(threading.Lock())],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "j")],
    )
    ours = run(workflow, PARALLEL_FLOW)
    kind, text = ours.errors[1]
    assert kind == "Map"
    assert "port j of PythonSource" in text and "cannot be sent" in text and "lock" in text


def test_a_parameter_that_cannot_be_read_is_the_functions_own_error() -> None:
    part = Part("Integer", functions={"value": "twelve"})
    ours = run(mapped(part, [1], "['value']", "value"), PARALLEL_FLOW)
    assert ours.errors  # VisTrails itself reports it, before anything runs
    assert "twelve" in str(ours.errors)


def test_another_version_on_the_engines_is_named(monkeypatch: Any) -> None:
    import parallelflow.loops.describe as describe

    monkeypatch.setattr(describe.platform, "python_version", lambda: "2.7.18")
    ours = run(mapped(source("o = i"), [1]), PARALLEL_FLOW)
    kind, text = ours.errors[1]
    assert kind == "Map" and "it runs Python 3" in text and "this session 2.7.18" in text


# -- executing again ------------------------------------------------------------------------

COUNTING = """
import os, tempfile
with open({path!r}, 'a') as f:
    f.write('%d ' % i)
if os.path.exists({path!r} + '.fail') and i in (2, 5):
    fail('not yet')
o = i * 2
"""


@pytest.fixture
def calls(tmp_path: Any) -> Iterator[Any]:
    """Give a function that notes its calls in a file; it fails while ``fail`` exists."""
    path = tmp_path / "calls"
    path.write_text("")

    def count() -> list[int]:
        numbers = [int(n) for n in path.read_text().split()]
        path.write_text("")
        return sorted(numbers)

    yield path, COUNTING.format(path=str(path)), count


def failing(path: Any, fails: bool) -> None:
    marker = path.with_name("calls.fail")
    marker.touch() if fails else marker.unlink(missing_ok=True)


def test_executing_again_computes_only_what_has_not_finished(calls: Any) -> None:
    path, code, count = calls
    workflow = finishing(source(code), list(range(8)))
    failing(path, True)
    first = run(workflow, PARALLEL_FLOW)
    assert first.errors.keys() == {0} and count() == list(range(8))
    failing(path, False)
    again = run(workflow, PARALLEL_FLOW)
    assert again.values[1] == [i * 2 for i in range(8)]
    assert count() == [2, 5]
    # Now it has finished: from here on it is VisTrails' cache that decides.
    assert run(workflow, PARALLEL_FLOW).values[1] == [i * 2 for i in range(8)]
    assert count() == list(range(8))


@pytest.mark.parametrize("change", ["function", "elements", "other input", "folder", "variable"])
def test_what_has_changed_starts_anew(calls: Any, change: str, monkeypatch: Any) -> None:
    path, code, count = calls

    def workflow(code: str, elements: list[int], other: int) -> Workflow:
        return Workflow(
            [source(code, ("i", "j")), map_part(**FINISH), constant(elements), constant(other)],
            [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "j")],
        )

    failing(path, True)
    run(workflow(code, list(range(8)), 1), PARALLEL_FLOW)
    count()
    failing(path, False)
    if change == "folder":
        monkeypatch.chdir(path.parent)
    elif change == "variable":
        monkeypatch.setenv("PF_TEST_MODE", "fast")
    elements = list(range(8)) if change != "elements" else [0, 1, 2, 3, 4, 5, 6, 8]
    changed = workflow(
        code + "\n# changed" if change == "function" else code,
        elements,
        2 if change == "other input" else 1,
    )
    assert run(changed, PARALLEL_FLOW).values[1] == [i * 2 for i in elements]
    # Each element is found by itself, on disk.
    assert count() == ([2, 5, 8] if change == "elements" else elements)


def test_executing_again_after_a_cancel(calls: Any) -> None:
    from vistrails.core.interpreter.base import AbortExecution

    _, code, count = calls
    slow = "import time\ntime.sleep(0.05)\n" + code

    def stop(module: int, progress: float) -> None:
        if progress > 0.3:
            raise AbortExecution("by the user")

    workflow = mapped(source(slow), list(range(40)))
    cancelled = run(workflow, PARALLEL_FLOW, view=Progress(stop))
    [(_, told)] = cancelled.errors.values()
    assert re.match(
        r"Cancelled when \d+ of 40 elements had finished; executing the workflow ", told
    )
    begun = len(count())
    assert 10 < begun < 40
    assert run(workflow, PARALLEL_FLOW).values[1] == [i * 2 for i in range(40)]
    # What the cancel interrupted (at most a chunk on each engine) is run again, nothing else.
    assert 40 - begun <= len(count()) < 40 - 10
