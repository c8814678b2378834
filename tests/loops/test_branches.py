"""Marked modules without a loop: at the same time on engines, with what VisTrails gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import parallelflow
from tests.map.test_table import same_values
from tests.support.loops import Jobs
from tests.support.workflows import (
    CONTROL_FLOW,
    Part,
    Progress,
    Result,
    Workflow,
    constant,
    group,
    map_part,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("cluster")

MARK = {"run_on_engines": "true"}

# A module waits for another one: both end only if they run at the same time.
MEET = """\
import os, pathlib, time
mine, others = {mine!r}, {others!r}
folder = pathlib.Path({folder!r})
(folder / mine).touch()
end = time.monotonic() + 60
while not all((folder / other).exists() for other in others):
    assert time.monotonic() < end, 'nobody came'
    time.sleep(0.01)
o = (mine, os.getpid())
"""


def marked(part: Part) -> Part:
    return replace(part, control={**part.control, **MARK})


def unmarked(workflow: Workflow) -> Workflow:
    parts = [
        replace(
            part,
            control={k: v for k, v in part.control.items() if k not in MARK},
            inner=unmarked(part.inner) if part.inner else None,
        )
        for part in workflow.parts
    ]
    return Workflow(parts, workflow.connections)


def meeting(folder: Path, mine: str, *others: str, **more: Any) -> Part:
    return source(MEET.format(mine=mine, others=others, folder=str(folder)), (), **more)


def in_order(log: Any) -> Any:
    """Return a log with its executions sorted: branches begin in another order."""
    kind, completed, items = log
    return kind, completed, sorted(items, key=repr)


@pytest.fixture
def branched() -> Iterator[Any]:
    """Return a function that runs a workflow, and says what became of its branches."""
    from parallelflow import progress
    from parallelflow.loops import messages

    messages.forget_shown()
    runs: dict[int, Any] = {}
    stop = progress.listen(lambda snapshot: runs.update({snapshot.run: snapshot}))

    def execute(workflow: Workflow, **settings: Any) -> tuple[Result, int]:
        runs.clear()
        result = run(workflow, CONTROL_FLOW, settings.pop("port", "o"), **settings)
        return result, sum(s.total for s in runs.values() if s.label == "branches")

    yield execute
    stop()


@pytest.fixture
def same(branched: Any) -> Any:
    """Return a function that compares a workflow's execution with VisTrails' own."""

    def compare(workflow: Workflow, branches: int, **settings: Any) -> Result:
        serial = run(unmarked(workflow), CONTROL_FLOW, "o", **settings)
        ours, sent = branched(workflow, **settings)
        assert sent == branches
        assert ours.errors == serial.errors
        assert list(ours.raw.suspended) == list(serial.raw.suspended)
        if not serial.errors:
            assert same_values(ours.values, serial.values), (ours.values, serial.values)
            assert ours.executed == serial.executed
            assert in_order(ours.log) == in_order(serial.log)
        return ours

    return compare


def diamond(left: Part, right: Part) -> Workflow:
    """Return: one value (0) into two modules (1, 2), and both into a last one (3)."""
    parts = [constant(6), left, right, source("o = (i, j)", ("i", "j"))]
    return Workflow(parts, [(0, "o", 1, "i"), (0, "o", 2, "i"), (1, "o", 3, "i"), (2, "o", 3, "j")])


# -- at the same time --------------------------------------------------------------------


def test_two_branches_run_at_the_same_time(tmp_path: Path, branched: Any) -> None:
    left, right = meeting(tmp_path, "a", "b"), meeting(tmp_path, "b", "a")
    last = source("o = (i, j)", ("i", "j"))
    workflow = Workflow([marked(left), marked(right), last], [(0, "o", 2, "i"), (1, "o", 2, "j")])
    result, sent = branched(workflow)
    assert result.errors == {} and sent == 2
    (a, left_pid), (b, right_pid) = result.values[2]
    assert (a, b) == ("a", "b") and len({left_pid, right_pid, os.getpid()}) == 3


def test_one_branch_runs_beside_what_this_process_computes(tmp_path: Path, branched: Any) -> None:
    """Whichever VisTrails comes to first."""
    for ports in ("ij", "ji"):
        folder = tmp_path / ports
        folder.mkdir()
        there, here = meeting(folder, "a", "b"), meeting(folder, "b", "a")
        last = source("o = (i, j)", ("i", "j"))
        links = [(0, "o", 2, ports[0]), (1, "o", 2, ports[1])]
        result, sent = branched(Workflow([marked(there), here, last], links))
        assert result.errors == {} and sent == 1
        assert dict(result.values[2])["b"] == os.getpid() != dict(result.values[2])["a"]


def test_the_next_of_a_chain_begins_while_another_branch_works(
    tmp_path: Path, branched: Any
) -> None:
    """A long branch waits for the second module of a chain, whose first one has to end first."""
    long, first = meeting(tmp_path, "long", "second"), source("o = 1", ())
    second = replace(meeting(tmp_path, "second"), inputs=source("").inputs)
    last = source("o = (i, j)", ("i", "j"))
    workflow = Workflow(
        [marked(long), marked(first), marked(second), last],
        [(1, "o", 2, "i"), (0, "o", 3, "i"), (2, "o", 3, "j")],
    )
    result, sent = branched(workflow)
    assert result.errors == {} and sent == 3


def test_groups_run_at_the_same_time(tmp_path: Path, branched: Any) -> None:
    parts = [
        marked(group([meeting(tmp_path, mine, other)], [], {}, {"o": (0, "o")}))
        for mine, other in ("ab", "ba")
    ]
    last = source("o = (i, j)", ("i", "j"))
    result, sent = branched(Workflow([*parts, last], [(0, "o", 2, "i"), (1, "o", 2, "j")]))
    assert result.errors == {} and sent == 2
    assert os.getpid() not in dict(result.values[2]).values()


def test_branches_in_a_group_of_the_session(tmp_path: Path, branched: Any) -> None:
    left, right = meeting(tmp_path, "a", "b"), meeting(tmp_path, "b", "a")
    inner = [marked(left), marked(right), source("o = (i, j)", ("i", "j"))]
    whole = group(inner, [(0, "o", 2, "i"), (1, "o", 2, "j")], {}, {"o": (2, "o")})
    last = source("o = i", ("i",))
    result, sent = branched(Workflow([whole, last], [(0, "o", 1, "i")]))
    assert result.errors == {} and sent == 2
    assert [name for name, _ in result.values[1]] == ["a", "b"]


# -- as VisTrails does it ----------------------------------------------------------------


def test_diamonds_and_chains(same: Any) -> None:
    left, right = marked(source("o = 7 * i")), marked(source("o = [i] * i"))
    assert same(diamond(left, right), 2).values[3] == (42, [6] * 6)
    same(diamond(left, replace(right, control={})), 1)
    chain = [constant(2), *(marked(source(f"o = i + {n}")) for n in range(4))]
    links = [(n, "o", n + 1, "i") for n in range(4)]
    assert same(Workflow(chain, links), 4).values[4] == 8


def test_groups_with_their_log(same: Any) -> None:
    inner = [source("o = i + 1"), source("o = 2 * i")]
    part = marked(group(inner, [(0, "o", 1, "i")], {"i": (0, "i")}, {"o": (1, "o")}))
    assert same(diamond(part, marked(source("o = i"))), 2).values[3] == (14, 6)


def test_a_list_inside_a_branch_and_a_while_of_its_options(same: Any) -> None:
    counting = source("o = i + 1\ndone = o >= 10", outputs=("o", "done"))
    options = {"while_cond": "done", "while_max": "20", "while_input": "i", "while_output": "o"}
    same(diamond(marked(replace(counting, control=options)), marked(source("o = i"))), 2)


def test_where_and_when_is_logged(branched: Any) -> None:
    slow = "import time\nbegan = time.time()\ntime.sleep(0.3)\no = (began, time.time())"
    result, _ = branched(diamond(marked(source(slow)), marked(source(slow))))
    runs = {e.module_id: e for e in result.workflow_exec.item_execs}
    for number, (began, ended) in zip((1, 2), result.values[3], strict=True):
        notes = {a.key: a.value for a in runs[number].annotations}
        assert int(notes["parallelflow_pid"]) != os.getpid()
        assert runs[number].ts_start.timestamp() <= began
        assert 0 <= runs[number].ts_end.timestamp() - ended < 5
    assert not any(a.key.startswith("parallelflow") for a in runs[3].annotations)


def test_what_is_printed_is_printed_in_vistrails_order(branched: Any, capfd: Any) -> None:
    late = "import time, sys\ntime.sleep(0.5)\nprint('left')\nprint('lost', file=sys.stderr)\no = 1"
    branched(diamond(marked(source(late)), marked(source("print('right')\no = 2"))))
    out, err = capfd.readouterr()
    assert out.splitlines() == ["left", "right"] and "lost" in err.splitlines()


def test_nothing_is_printed_that_vistrails_does_not_come_to(branched: Any, capfd: Any) -> None:
    """The other branch has run, but is not a part of an execution that ends before it."""
    fails = "import time\ntime.sleep(0.3)\nprint('left')\n1 / 0"
    parts = [marked(source(fails, ())), marked(source("print('right')\no = 1", ()))]
    result, sent = branched(Workflow(parts))
    assert sent == 2 and list(result.errors) == [0]
    assert capfd.readouterr().out.splitlines() == ["left"]
    result, _ = branched(Workflow(parts), stop_on_error=False)
    assert capfd.readouterr().out.splitlines() == ["left", "right"]


def test_what_is_executed_early_prints_in_its_place(branched: Any, capfd: Any) -> None:
    """A module between two branches takes the first one's value early."""
    late = "import time\ntime.sleep(0.8)\nprint('late')\no = 1"
    parts = [
        marked(source(late, ())),
        marked(source("print('first')\no = 1", ())),
        source("cache_this()\no = i"),
        marked(source("print('second')\no = i")),
        source("print('last')\no = (i, j)", ("i", "j")),
    ]
    links = [(1, "o", 2, "i"), (2, "o", 3, "i"), (0, "o", 4, "i"), (3, "o", 4, "j")]
    result, sent = branched(Workflow(parts, links))
    assert sent == 3 and result.values[4] == (1, 1)
    assert capfd.readouterr().out.splitlines() == ["late", "first", "second", "last"]


def test_a_failed_branch_is_no_element(branched: Any) -> None:
    from parallelflow.cli import report
    from tests.support.workflows import pipeline_of

    workflow = Workflow([marked(source("o = 1 / 0", ()))])
    result, _ = branched(workflow)
    lines = list(report.failure(pipeline_of(workflow), result.raw.errors))
    assert lines[0] == "module PythonSource (id 0) failed: ZeroDivisionError: division by zero"
    assert len(lines) == 2 and lines[1].startswith("  engine   "), lines


def test_a_branch_that_fails(same: Any) -> None:
    fails, well = marked(source("o = 1 // (i - 6)")), marked(source("o = i"))
    for workflow in (diamond(fails, well), diamond(well, fails)):
        ours = same(workflow, 2)
        [(number, error)] = ours.raw.errors.items()
        assert "ZeroDivisionError" in error.msg and "on engine" in error.errorTrace
        assert number in (1, 2)
    inner = group([source("fail('no value')")], [], {"i": (0, "i")}, {"o": (0, "o")})
    same(diamond(marked(inner), well), 2)
    same(diamond(fails, fails), 2, stop_on_error=False)


def test_an_error_upstream_is_told_where_vistrails_comes_to_it(same: Any) -> None:
    """The second branch's input fails early; what VisTrails comes to first is told."""
    parts = [
        marked(source("raise ValueError('first')", ())),
        source("cache_this()\nraise ValueError('second')", ()),
        marked(source("o = i")),
        source("o = (i, j)", ("i", "j")),
    ]
    links = [(1, "o", 2, "i"), (0, "o", 3, "i"), (2, "o", 3, "j")]
    ours = same(Workflow(parts, links), 1)
    assert list(ours.errors) == [0]
    # What has failed early, and was not come to, is executed again the next time.
    again = Workflow([source("o = 1", ()), *parts[1:]], links)
    [(number, error)] = run(again, CONTROL_FLOW, "o", flush=False).errors.items()
    assert number == 1 and "second" in error[1]
    same(Workflow(parts, links), 1, stop_on_error=False)


def test_suspended_modules_upstream(same: Any) -> None:
    code = "from vistrails.core.modules.vistrails_module import ModuleSuspended\n"
    code += "raise ModuleSuspended(self, 'waits')"
    parts = [source(code, ()), marked(source("o = i")), marked(source("o = 2", ()))]
    workflow = Workflow([*parts, source("o = (i, j)", ("i", "j"))],
                        [(0, "o", 1, "i"), (1, "o", 3, "i"), (2, "o", 3, "j")])  # fmt: skip
    same(workflow, 1, job_monitor=Jobs())


def test_what_is_cached_is_not_sent_again(branched: Any) -> None:
    kept = "cache_this()\nimport os\no = (i, os.getpid())"
    workflow = diamond(marked(source(kept)), marked(source("o = i")))
    first, sent = branched(replace_first(workflow, "cache_this()\no = 6"))
    assert sent == 2
    again, sent = branched(replace_first(workflow, "cache_this()\no = 6"), flush=False)
    assert sent == 1 and again.values[3] == first.values[3]
    assert again.values[3][0][1] != os.getpid()


def replace_first(workflow: Workflow, code: str) -> Workflow:
    return Workflow([source(code, ()), *workflow.parts[1:]], workflow.connections)


def test_nothing_is_left_on_the_modules(branched: Any) -> None:
    result, _ = branched(diamond(marked(source("cache_this()\no = i")), marked(source("o = i"))))
    for module in result.raw.objects.values():
        assert not {"compute", "update", "update_upstream"} & set(module.__dict__)
    assert result.raw.objects[1].control_params == {**MARK}


# -- what stays here ---------------------------------------------------------------------


def test_what_belongs_to_the_session_stays_here(branched: Any) -> None:
    here = "import os\no = os.getpid()"
    watched = source(f"self.job_monitor().addParent\n{here}", ())
    result, sent = branched(Workflow([marked(watched)]), job_monitor=Jobs())
    assert result.values[0] == os.getpid() and sent == 1
    number = marked(Part("Integer", functions={"value": "3"}))
    result, sent = branched(Workflow([number]), port="value")
    assert result.values[0] == 3 and sent == 0
    output = Workflow([marked(Part("GenericOutput")), constant(3)], [(1, "o", 0, "value")])
    result, sent = branched(output)
    assert not result.errors and sent == 0


def test_a_value_that_cannot_travel_is_computed_here(branched: Any, capfd: Any) -> None:
    workflow = diamond(marked(source("o = (n for n in range(i))")), marked(source("o = i")))
    workflow.parts[3] = source("o = (list(i), j)", ("i", "j"))  # type: ignore[index]
    result, _ = branched(workflow)
    assert result.values[3] == ([0, 1, 2, 3, 4, 5], 6)
    assert "stays in this process" in capfd.readouterr().err


def test_a_branch_whose_packages_an_engine_lacks_is_computed_here(
    branched: Any, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallelflow, "version", "9.9.9")  # of all that is asked for, the cheapest
    result, sent = branched(diamond(marked(source("o = -i")), source("o = i")))
    assert sent == 1 and result.errors == {} and result.values[3] == (-6, 6)
    assert "give both the same version" in capfd.readouterr().err


def test_functions_of_maps_and_what_an_if_leaves_out_do_not_run_early(
    tmp_path: Path, branched: Any
) -> None:
    touched = marked(source(f"open({str(tmp_path / 'touched')!r}, 'w').close()\no = i"))
    fold = {"InputPort": "['i']", "OutputPort": "o"}
    parts = [touched, Part("Map", CONTROL_FLOW, functions=fold), constant([1, 2])]
    links = [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")]
    result, sent = branched(Workflow(parts, links), port="Result")
    assert result.values[1] == [1, 2] and sent == 0
    (tmp_path / "touched").unlink()
    choice = Part("If", CONTROL_FLOW, functions={
        "Condition": "True", "TrueOutputPorts": "['o']", "FalseOutputPorts": "['o']"})  # fmt: skip
    parts = [touched, marked(source("o = 2", ())), choice, constant(1)]
    links = [(3, "o", 0, "i"), (0, "self", 2, "FalsePort"), (1, "self", 2, "TruePort")]
    result, _ = branched(Workflow(parts, links), port="Result")
    assert not result.errors and not (tmp_path / "touched").exists()


def test_without_a_cluster_all_is_computed_here(branched: Any, monkeypatch: Any) -> None:
    from parallelflow.engine_manager import get_manager

    monkeypatch.setattr(get_manager(), "ensure_engines", lambda *_, **__: None)
    here = marked(source("import os\no = os.getpid()"))
    result, sent = branched(diamond(here, here))
    assert result.values[3] == (os.getpid(),) * 2 and sent == 0


def test_a_map_beside_a_branch(branched: Any) -> None:
    """Both use the same engines; the Map's list is made from the branch's value."""
    parts = [source("o = i * i"), map_part(), marked(source("o = [1, 2, 3]", ()))]
    links = [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")]
    result, sent = branched(Workflow(parts, links), port="Result")
    assert result.values[1] == [1, 4, 9] and sent == 1


# -- the end before the end --------------------------------------------------------------


def test_cancelling_ends_the_branches(tmp_path: Path, branched: Any) -> None:
    from vistrails.core.interpreter.base import AbortExecution

    def stop(module: int, progress: float) -> None:
        if (tmp_path / "a").exists():
            raise AbortExecution("Execution aborted")

    parts = [marked(meeting(tmp_path, mine, "nobody")) for mine in "ab"]
    last = source("o = (i, j)", ("i", "j"))
    workflow = Workflow([*parts, last], [(0, "o", 2, "i"), (1, "o", 2, "j")])
    result, _ = branched(workflow, view=Progress(stop))
    assert result.errors == {} and not result.executed.get(2)
    again, sent = branched(diamond(marked(source("o = i")), marked(source("o = -i"))))
    assert again.values[3] == (6, -6) and sent == 2


def test_a_branch_that_ends_its_engines_is_an_error_of_the_module(branched: Any) -> None:
    deadly = marked(source("import os\nos._exit(1)"))
    result, _ = branched(diamond(deadly, marked(source("o = i"))))
    assert list(result.errors) == [1]
    assert result.errors[1][1].startswith("it ended ")
    again, _ = branched(diamond(marked(source("o = i")), marked(source("o = -i"))))
    assert again.values[3] == (6, -6)
