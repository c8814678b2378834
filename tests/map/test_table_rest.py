"""More cases by Control Flow's Map and by ours: outputs, nesting, streams, caches, surroundings."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from parallelflow.loops.activation import running
from parallelflow.loops.choice import Scope
from tests.map.test_table import both, doubling, same
from tests.support.loops import Jobs
from tests.support.workflows import (
    BASIC,
    CONTROL_FLOW,
    PARALLEL_FLOW,
    VARIANT,
    Part,
    Workflow,
    constant,
    group,
    map_part,
    mapped,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("cluster")


# -- outputs ------------------------------------------------------------------------------


def test_a_missing_output_port() -> None:
    serial, ours = both(mapped(source("o = i"), [1, 2], output="nope"))
    assert serial.errors == {0: ("PythonSource", "Invalid output port: nope")}
    told = "Invalid output port: nope\nPythonSource has no output port of this name. "
    assert ours.errors == {1: ("Map", f"{told}Its output ports: o, self.")}


def test_a_missing_output_port_of_a_group() -> None:
    inner = group([source("o = i")], [], {"i": (0, "i")}, {"o": (0, "o")})
    _, ours = both(mapped(inner, [1, 2], output="value"))
    ((kind, text),) = ours.errors.values()
    assert kind == "Map" and text.endswith("Its output ports: o, self.")


def test_an_output_left_unset_with_only_self_connected() -> None:
    ours = same(mapped(source("pass"), [1, 2]))
    told = "Invalid output port: o\nPythonSource has run without giving it a value."
    assert ours.errors == {0: ("PythonSource", told)}


def test_an_output_left_unset_but_connected_somewhere() -> None:
    workflow = mapped(source("if i > 1: o = i"), [1, 2, 3])
    sink = source("pass", ("x",), ())
    connected = Workflow([*workflow.parts, sink], [*workflow.connections, (0, "o", 3, "x")])
    serial, ours = both(connected)
    assert ours.values[1] == serial.values[1] == [None, 2, 3]


def test_a_module_cannot_be_a_result() -> None:
    serial, ours = both(mapped(source("o = i"), [1, 2], output="self"))
    assert len(serial.values[1]) == 2
    assert ours.errors.keys() == {1}
    kind, text = ours.errors[1]
    assert kind == "Map" and "gives a module (PythonSource)" in text and "Control Flow" in text


# -- jobs ---------------------------------------------------------------------------------

SUSPENDING = """
from vistrails.core.modules.vistrails_module import ModuleSuspended
class Job:
    def finished(self):
        return False
if i == 2:
    raise ModuleSuspended(self, 'waiting', handle=Job())
o = i
"""


def test_a_function_that_waits_for_a_job() -> None:
    results = []
    for package in (CONTROL_FLOW, PARALLEL_FLOW):
        jobs = Jobs()
        result = run(mapped(source(SUSPENDING), [1, 2, 3]), package, job_monitor=jobs)
        suspended = {i: e.msg for i, e in result.raw.suspended.items()}
        children = [c.msg for c in result.raw.suspended[1].children]
        results.append((result.errors, suspended, children, len(jobs.parents)))
    assert results[0] == results[1]
    assert results[1][1][1] == "function module suspended in 1/3 iterations"


def test_a_failure_comes_before_a_job_that_is_waited_for() -> None:
    code = SUSPENDING + "\nif i == 5:\n    raise ValueError('five')"
    results = []
    for package in (CONTROL_FLOW, PARALLEL_FLOW):
        result = run(mapped(source(code), [1, 2, 5, 3]), package, job_monitor=Jobs())
        results.append((result.errors, 1 in result.raw.suspended))
    assert results[0] == results[1]
    assert list(results[0][0]) == [0] and not results[0][1]


def test_a_module_that_asks_for_the_job_monitor_runs_on_the_client() -> None:
    import os

    code = "import os\nif i == 2: self.job_monitor().getCache('x')\no = os.getpid()"
    ours = run(mapped(source(code), [1, 2, 3]), PARALLEL_FLOW, job_monitor=Jobs())
    here = [pid == os.getpid() for pid in ours.values[1]]
    assert here == [False, True, False]


# -- Maps in Maps, loops, streams ---------------------------------------------------------


def inner_map() -> Part:
    """A Group that maps doubling over its input."""
    return group(
        [source("o = i * 2"), map_part()],
        [(0, "self", 1, "FunctionPort")],
        {"l": (1, "InputList")},
        {"r": (1, "Result")},
    )


def test_a_map_in_a_group() -> None:
    workflow = Workflow(
        [inner_map(), constant([1, 2, 3]), source("o = x", ("x",))],
        [(1, "o", 0, "l"), (0, "r", 2, "x")],
    )
    serial, ours = both(workflow, port="o")
    assert ours.errors == serial.errors == {}
    assert ours.values[2] == serial.values[2] == [2, 4, 6]
    assert ours.log == serial.log


def test_a_map_over_a_group_that_holds_a_map() -> None:
    ours = same(mapped(inner_map(), [[1, 2], [], [3]], "['l']", "r"))
    assert ours.values[1] == [[2, 4], [], [6]]


def test_a_map_is_the_function_of_a_map() -> None:
    workflow = Workflow(
        [source("o = -i"), map_part(), map_part("['InputList']", "Result"), constant([[1], [2]])],
        [
            (0, "self", 1, "FunctionPort"),
            (1, "self", 2, "FunctionPort"),
            (3, "o", 2, "InputList"),
        ],
    )
    ours = same(workflow)
    assert ours.values[2] == [[-1], [-2]]


def test_an_error_in_the_inner_function_is_that_modules_own() -> None:
    workflow = Workflow(
        [
            source("o = 1 / i"),
            map_part(),
            map_part("['InputList']", "Result"),
            constant([[1], [0]]),
        ],
        [
            (0, "self", 1, "FunctionPort"),
            (1, "self", 2, "FunctionPort"),
            (3, "o", 2, "InputList"),
        ],
    )
    serial, ours = both(workflow)
    assert ours.errors == serial.errors
    assert ours.errors.keys() == {0}


def test_other_functions_that_take_modules_if() -> None:
    """Control Flow's If takes its branches as modules and computes only one of them."""
    branch = source("o = 'yes'", ())
    other = source("fail('computed the other branch')", ())
    part = Part(
        "If",
        CONTROL_FLOW,
        functions={"TrueOutputPorts": "['o']", "FalseOutputPorts": "['o']"},
    )
    workflow = Workflow(
        [part, map_part("['Condition']", "Result"), constant([True, True]), branch, other],
        [
            (0, "self", 1, "FunctionPort"),
            (2, "o", 1, "InputList"),
            (3, "self", 0, "TruePort"),
            (4, "self", 0, "FalsePort"),
        ],
    )
    serial, ours = both(workflow)
    assert ours.errors == serial.errors
    assert ours.values == serial.values


def test_implicit_looping_over_a_map() -> None:
    lists = source("o = [[1, 2], [3]]", ())
    lists = Part(lists.name, functions=lists.functions, outputs={"o": f"{BASIC}:List"}, depth=1)
    workflow = Workflow(
        [source("o = i + 1"), map_part(), lists],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")],
    )
    assert same(workflow).values[1] == [[2, 3], [4]]


def test_a_loop_on_another_port_of_the_function() -> None:
    workflow = Workflow(
        [
            Part(
                "PythonSource",
                functions=source("o = i + j").functions,
                inputs={"i": VARIANT, "j": f"{BASIC}:Integer"},
                outputs={"o": VARIANT},
            ),
            map_part(),
            constant([1, 2]),
            Part("List", functions={"value": "[10, 20]"}),
        ],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "value", 0, "j")],
    )
    serial, ours = both(workflow)
    assert ours.errors == serial.errors
    assert ours.values == serial.values


STREAM = """
def stream():
    for x in [1, 2, 3]:
        yield x
self.set_streaming_output('o', stream(), 3)
"""


def test_a_streamed_list_is_collected_first() -> None:
    streaming = source(STREAM, ())
    streaming = Part(streaming.name, functions=streaming.functions, outputs={"o": VARIANT})
    workflow = Workflow(
        [source("o = i * i"), map_part(), streaming, source("o = x", ("x",))],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (1, "Result", 3, "x")],
    )
    serial, ours = both(workflow, port="o")
    assert ours.errors == serial.errors
    assert ours.values.get(3) == serial.values.get(3)


# -- caches, signatures, surroundings -----------------------------------------------------


def test_map_is_cached_and_runs_again_only_when_its_upstream_does() -> None:
    part = Part("String", functions={"value": "x"})
    workflow = Workflow(
        [part, map_part("['value']", "value", functions={"InputList": "['a', 'b']"})],
        [(0, "self", 1, "FunctionPort")],
    )
    for package in (CONTROL_FLOW, PARALLEL_FLOW):
        first = run(workflow, package)
        again = run(workflow, package, flush=False)
        assert first.values[1] == again.values[1] == ["a", "b"]
        assert 1 in first.executed and 1 not in again.executed
        changed = Workflow(
            [part, map_part("['value']", "value", functions={"InputList": "['c']"})],
            workflow.connections,
        )
        assert run(changed, package, flush=False).values[1] == ["c"]


def test_each_element_has_the_signature_that_the_serial_map_gives() -> None:
    workflow = mapped(source("o = self.signature", ("i", "j")), [(1, 2), (3, 4)], "['i', 'j']")
    serial = run(workflow, CONTROL_FLOW)
    with running(Scope.MAPS):
        ours = run(workflow, CONTROL_FLOW)
    assert ours.values[1] == serial.values[1]
    assert len(set(ours.values[1])) == 2


def test_state_of_a_class_belongs_to_each_process() -> None:
    code = "t = type(self)\nt.count = getattr(t, 'count', 0) + 1\no = t.count"
    ours = run(mapped(source(code), [0] * 6), PARALLEL_FLOW)
    assert max(ours.values[1]) <= 6 and min(ours.values[1]) == 1


def test_moduleinfo_is_the_clients() -> None:
    code = (
        "m = self.moduleInfo\n"
        "o = (m['moduleId'], m['version'], m['reason'], m['locator'].name, "
        "sorted(m['pipeline'].modules)[0])"
    )
    from vistrails.core.db.locator import XMLFileLocator

    settings: dict[str, Any] = {"locator": XMLFileLocator("somewhere.vt"), "reason": "a test"}
    workflow = mapped(source(code), [1])
    serial, ours = both(workflow, **settings)
    assert ours.errors == serial.errors == {}
    assert ours.values[1] == serial.values[1]
    assert ours.values[1][0][2] == "a test"


FILE = """
o = self.interpreter.filePool.create_file(suffix='.txt')
with open(o.name, 'w') as f:
    f.write('element %d' % i)
"""


def read_all(values: list[Any]) -> list[str]:
    return [Path(v.name).read_text() for v in values]


def test_files_that_are_results_can_be_read_until_the_session_ends() -> None:
    workflow = mapped(source(FILE), [1, 2, 3])
    expected = read_all(run(workflow, CONTROL_FLOW).values[1])
    ours = run(workflow, PARALLEL_FLOW)
    run(mapped(source(FILE), [4, 5]), PARALLEL_FLOW, flush=False)
    assert read_all(ours.values[1]) == expected == ["element 1", "element 2", "element 3"]


def test_files_made_on_another_machine_are_brought_over(monkeypatch: Any) -> None:
    import parallelflow.loops.describe as describe

    # The engines compare with the name of the client's machine: with another, they are elsewhere.
    monkeypatch.setattr(
        describe.socket, "gethostname", lambda real=socket.gethostname: "another-" + real()
    )
    code = FILE + "o = {'files': [o], 'n': i}"
    ours = run(mapped(source(code), [1, 2]), PARALLEL_FLOW)
    files = [v["files"][0] for v in ours.values[1]]
    from vistrails.core.interpreter.cached import CachedInterpreter

    pool = CachedInterpreter.get().filePool.directory
    assert read_all(files) == ["element 1", "element 2"]
    assert all(Path(f.name).is_relative_to(pool) and f.name.endswith(".txt") for f in files)


WRITES = """
import sys, warnings, time
time.sleep(0.05 * (i == 0))
print('out of', i)
print('second line', i)
sys.stderr.write('err of %d\\n' % i)
warnings.warn('careful %d' % i)
o = i
"""


def test_what_elements_write_appears_in_their_order(capfd: Any) -> None:
    run(mapped(source(WRITES), [0, 1, 2, 3]), PARALLEL_FLOW)
    out, err = capfd.readouterr()
    lines = [line for line in out.splitlines() if line.startswith("[Map")]
    assert lines == [
        f"[Map, element {i} of 4] {text} {i}"
        for i in range(4)
        for text in ("out of", "second line")
    ]
    lines = [line for line in err.splitlines() if line.startswith("[Map")]
    assert [line for line in lines if "err of" in line] == [
        f"[Map, element {i} of 4] err of {i}" for i in range(4)
    ]
    assert [i for i in range(4) if any(f"careful {i}" in line for line in lines)] == [0, 1, 2, 3]


def test_output_is_shown_also_when_an_element_fails(capfd: Any) -> None:
    run(mapped(source("print('before', i)\no = 1 / i"), [1, 0]), PARALLEL_FLOW)
    out, _ = capfd.readouterr()
    assert "[Map, element 1 of 2] before 0" in out


# -- the whole again, without a log -------------------------------------------------------


def test_with_the_log_off_nothing_is_recorded(monkeypatch: Any) -> None:
    import parallelflow.loops.provenance as provenance

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a log was built")

    monkeypatch.setattr(provenance, "LoopIteration", refuse)
    ours = run(mapped(doubling(), [1, 2]), PARALLEL_FLOW, log=False)
    assert ours.values[1] == [2, 4] and ours.errors == {}
