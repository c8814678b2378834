"""Explorations on engines give what VisTrails gives, which executes their points one by one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from docs.examples.make_digits_sweep import Builder

#: A parameter: label of the module, port, position, interpolator, its value, dimension.
Varied = tuple[str, str, int, str, str, int]


@dataclass
class Case:
    """A workflow and what varies in it; `counts` are the executions of modules that
    count them, `given` the modules that are computed once, here."""

    build: Callable[[Builder, str], None]
    dims: list[int]
    varied: list[Varied]
    counts: dict[str, int]
    given: set[str]
    fails: int = 0


COUNTED = "open({folder!r} + '/{name}', 'a').write('x')\n"


def counted(build: Builder, folder: str, name: str, code: str, *settings: Any) -> Any:
    """Add a PythonSource that notes each of its executions in a file."""
    text = COUNTED.format(folder=folder, name=name) + code
    return build.source(name, (0, 0), text, *settings)


def ends(build: Builder, source: Any, port: str) -> None:
    build.connect(
        source, port, build.module("StandardOutput", (0, -200), f"{port} at the end"), "value"
    )


def chain(build: Builder, folder: str) -> None:
    """A constant, something slow, two steps with parameters; an output that nothing reaches."""
    n = build.module("Integer", (0, 0), "n", values={"value": 3})
    slow = counted(
        build, folder, "slow", "cache_this()\no = n * 100", {"n": "Integer"}, {"o": "Integer"}
    )
    first = counted(
        build, folder, "first", "cache_this()\no = i + a", {"i": "Integer", "a": "Integer"},
        {"o": "Integer"}, {"a": 1},
    )  # fmt: skip
    code = "if b == 'bad' and i > 301:\n    raise ValueError('bad at %s' % i)\no = [i, b, t]"
    inputs = {"i": "Integer", "b": "String", "t": "Float"}
    second = counted(build, folder, "second", code, inputs, {"o": "List"}, {"b": "x", "t": 0.5})
    build.connect(n, "value", slow, "n")
    build.connect(slow, "o", first, "i")
    build.connect(first, "o", second, "i")
    ends(build, second, "o")
    build.connect(n, "value", build.module("Integer", (0, 0), "same"), "value")


def never_cached(build: Builder, folder: str) -> None:
    """A PythonSource without cache_this() upstream, and a value that cannot be sent."""
    again = counted(build, folder, "again", "o = 5", {}, {"o": "Integer"})
    code = "import threading\ncache_this()\no = threading.Lock()"
    lock = build.source("lock", (0, 0), code, {}, {"o": "Variant"})
    code = "o = (i + a, type(k).__name__)"
    last = build.source(
        "last", (0, 0), code, {"i": "Integer", "a": "Integer", "k": "Variant"}, {"o": "Variant"}
    )
    build.connect(again, "o", last, "i")
    build.connect(lock, "o", last, "k")
    ends(build, last, "o")


def looped(build: Builder, folder: str) -> None:
    """Lists that iterate by themselves, also in what is computed once; several connections."""
    numbers = build.module("List", (0, 0), "numbers", values={"value": [1, 2, 3]})
    whole = build.module("Integer", (0, 0), "whole")
    code = "o = i * 10 + a"
    plus = build.source("plus", (0, 0), code, {"i": "Integer", "a": "Integer"}, {"o": "Integer"})
    both = build.source("both", (0, 0), "o = list(i)", {"i": "List"}, {"o": "List"})
    build.connect(numbers, "value", whole, "value")
    build.connect(whole, "value", plus, "i")
    build.connect(numbers, "value", both, "i")
    build.connect(plus, "o", both, "i")
    ends(build, plus, "o")
    ends(build, both, "o")


def grouped(build: Builder, folder: str) -> None:
    """A Group with a parameter, after a Group without one."""

    def group(name: str, code: str) -> Any:
        before = {m.id for m in build.controller.current_pipeline.module_list}
        port = build.module("InputPort", (0, 100), values={"name": "i"})
        other = build.module("InputPort", (50, 100), values={"name": "a"})
        inner = counted(
            build, folder, name, code, {"i": "Integer", "a": "Integer"}, {"o": "Integer"}
        )
        output = build.module("OutputPort", (0, -100), values={"name": "o"})
        build.connect(port, "InternalPipe", inner, "i")
        build.connect(other, "InternalPipe", inner, "a")
        build.connect(inner, "o", output, "InternalPipe")
        pipeline = build.controller.current_pipeline
        new = [m.id for m in pipeline.module_list if m.id not in before]
        inside = [c.id for c in pipeline.connection_list if c.destinationId in new]
        made = build.controller.create_group(new, inside)
        build.controller.add_annotation(("__desc__", f"group {name}"), made.id)
        return build.controller.current_pipeline.modules[made.id]

    one = group("one", "cache_this()\no = i + a")
    build.set(one, {"i": 1, "a": 2}, {})
    two = group("two", "o = i * a")
    build.connect(one, "o", two, "i")
    ends(build, two, "o")


USER_DEFINED = "def value(i):\n    return 'v%d' % i\n"

CASES = {
    "two dimensions": Case(
        chain, [2, 3, 1, 1],
        [("first", "a", 0, "Linear Interpolation", "[1, 2]", 0),
         ("second", "b", 0, "List", "['x', 'y, z', 'w']", 1)],
        {"slow": 1}, {"slow", "same"},
    ),
    "together in a dimension": Case(
        chain, [1, 3, 1, 2],
        [("first", "a", 0, "Linear Interpolation", "[1, 5]", 1),
         ("second", "b", 0, "User-defined Function", USER_DEFINED, 1),
         ("second", "t", 0, "Linear Interpolation", "[0.1, 0.7]", 3)],
        {"slow": 1}, {"slow", "same"},
    ),
    "points that fail": Case(
        chain, [2, 2, 1, 1],
        [("first", "a", 0, "List", "['1', '2']", 0),
         ("second", "b", 0, "List", "['bad', 'ok']", 1)],
        {"slow": 1}, {"slow", "same"}, fails=1,
    ),
    "the first module": Case(
        chain, [3, 1, 1, 1], [("n", "value", 0, "Linear Interpolation", "[1, 3]", 0)],
        {"slow": 3}, set(),
    ),
    "never cached, a port without a value": Case(
        never_cached, [3, 1, 1, 1], [("last", "a", 0, "Linear Interpolation", "[1, 3]", 0)],
        {"again": 3}, set(),
    ),
    "lists": Case(
        looped, [2, 1, 1, 1], [("plus", "a", 0, "List", "['1', '2']", 0)], {}, {"whole", "numbers"}
    ),
    "groups": Case(
        grouped, [1, 3, 1, 1], [("group two", "a", 0, "List", "['4', '5', '6']", 1)],
        {"one": 1, "two": 3}, {"group one"},
    ),
}  # fmt: skip


def saved(pipeline: Any, case: Case) -> Any:
    """Return VisTrails' exploration of a case."""
    from vistrails.core.paramexplore.function import PEFunction
    from vistrails.core.paramexplore.param import PEParam
    from vistrails.core.paramexplore.paramexplore import ParameterExploration

    from parallelflow.engine.workflow_results import label

    ids = {label(module): module.id for module in pipeline.module_list}
    functions = []
    for number, (module, port, position, kind, value, dimension) in enumerate(case.varied):
        parameter = PEParam(
            id=number, pos=position, interpolator=kind, value=value, dimension=dimension
        )
        functions.append(
            PEFunction(
                id=number, module_id=ids[module], port_name=port, is_alias=0, parameters=[parameter]
            )
        )
    return ParameterExploration(
        id=1, action_id=1, name=None, dims=repr(case.dims), layout="{}", functions=functions
    )


def serially(pipeline: Any, exploration: Any) -> list[Any]:
    """Return what VisTrails' window gives for each point: results by name, or errors by module."""
    from vistrails.core.interpreter.default import get_default_interpreter
    from vistrails.core.param_explore import ActionBasedParameterExploration

    from parallelflow.engine.cells import cell
    from parallelflow.engine.workflow_results import module_results

    actions, added, _ = exploration.collectParameterActions(pipeline)
    pipelines, _ = ActionBasedParameterExploration().explore(pipeline, actions, added)
    found: list[Any] = []
    for point in pipelines:
        result = get_default_interpreter().execute(point)
        if result.errors:
            found.append({number: error.msg for number, error in result.errors.items()})
        else:
            results = module_results(point, result.objects)
            found.append({(number, name): cell(value) for number, name, value in results})
    return found


def executions(folder: Path) -> dict[str, int]:
    return {path.name: len(path.read_text()) for path in folder.iterdir()}


@pytest.fixture
def opened(core: Any) -> Iterator[Any]:
    """Return a new vistrail, as a workflow that was opened."""
    from vistrails.core.interpreter.default import get_default_interpreter
    from vistrails.core.vistrail.controller import VistrailController
    from vistrails.core.vistrail.vistrail import Vistrail

    controller = VistrailController(Vistrail(), auto_save=False)
    controller.change_selected_version(0)
    get_default_interpreter().flush()
    yield SimpleNamespace(target="new", controller=controller, pipeline=None)


@pytest.mark.parametrize("name", CASES)
def test_points_give_what_vistrails_gives(
    name: str, opened: Any, cluster: Any, tmp_path: Path
) -> None:
    from vistrails.core.interpreter.default import get_default_interpreter

    from parallelflow.batch.constants import compute_constants
    from parallelflow.batch.evaluation import Batch
    from parallelflow.batch.exploration import explore_saved
    from parallelflow.engine.cells import collect_cells
    from parallelflow.engine.workflow_results import label

    case = CASES[name]
    case.build(Builder(opened.controller), str(tmp_path))
    opened.pipeline = opened.controller.current_pipeline
    exploration = explore_saved(opened, saved(opened.pipeline, case))
    assert compute_constants(exploration.workflow, exploration.varied) == ""
    modules = opened.pipeline.modules
    assert {label(modules[number]) for number in exploration.workflow.given} == case.given
    batch = Batch("points", [exploration.workflow], exploration.points, collect_cells)
    batch.evaluate()
    counts = executions(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    get_default_interpreter().flush()
    expected = serially(opened.pipeline, saved(opened.pipeline, case))
    found: list[Any] = []
    for outcome in batch.outcomes:
        if outcome.failure is not None:
            found.append({number: message for number, message, _ in outcome.failure.modules})
        else:
            found.append({(number, n): text for _, number, n, text in outcome.collected})
    assert found == expected
    assert sum(outcome.failure is not None for outcome in batch.outcomes) == case.fails
    assert len(expected) == len({repr(one) for one in expected}) > 1
    assert {key: counts[key] for key in case.counts} == case.counts, counts
    assert {key: executions(tmp_path)[key] for key in case.counts} == case.counts


def test_what_a_point_sets_of_a_module_that_stays_is_not_sent(opened: Any, cluster: Any) -> None:
    """In the window a FileSink stays, and each point of it has a file of its own."""
    from parallelflow.batch.answers import answers_for
    from parallelflow.batch.exploration import explore_saved, find_saved

    importlib.import_module("docs.examples.make_epidemic").build_workflow(opened.controller)
    opened.pipeline = opened.controller.current_pipeline
    answers = answers_for(explore_saved(opened, find_saved(opened, None)))
    assert answers is not None
    answers.batch.evaluate()
    assert [outcome.failure for outcome in answers.batch.outcomes] == [None] * 6
    assert all(outcome.collected for outcome in answers.batch.outcomes)
