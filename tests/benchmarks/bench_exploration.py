"""A parameter exploration, on engines against VisTrails' own loop over its points."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.benchmarks.measure import Row, alternate, say

POINTS = 24
POINT_SECONDS = 0.2
UPSTREAM_SECONDS = 0.25

COMPUTE = """\
import time
end = time.perf_counter() + {seconds}
while time.perf_counter() < end:
    pass
"""


def p17() -> list[Row]:
    """24 points of 0.2 s, after something that they share."""
    from vistrails.core.interpreter.default import get_default_interpreter
    from vistrails.core.param_explore import ActionBasedParameterExploration
    from vistrails.core.vistrail.controller import VistrailController
    from vistrails.core.vistrail.vistrail import Vistrail

    from docs.examples.make_digits_sweep import Builder
    from parallelflow.batch.constants import compute_constants
    from parallelflow.batch.evaluation import Batch
    from parallelflow.batch.exploration import explore_saved
    from parallelflow.engine.cells import collect_cells

    work = (
        f"an exploration of {POINTS} points, {POINT_SECONDS} s each, {UPSTREAM_SECONDS} s upstream"
    )
    say(f"P17 {work}")
    controller = VistrailController(Vistrail(), auto_save=False)
    controller.change_selected_version(0)
    build = Builder(controller)
    code = COMPUTE.format(seconds=UPSTREAM_SECONDS) + "cache_this()\no = 1"
    shared = build.source("shared", (0, 0), code, {}, {"o": "Integer"})
    code = COMPUTE.format(seconds=POINT_SECONDS) + "o = i + a"
    inputs = {"i": "Integer", "a": "Integer"}
    point = build.source("point", (0, 0), code, inputs, {"o": "Integer"}, {"a": 1})
    build.connect(shared, "o", point, "i")
    pipeline = controller.current_pipeline
    saved = _exploration(point.id)
    opened = SimpleNamespace(target="P17", controller=controller, pipeline=pipeline)
    expected = list(range(2, POINTS + 2))

    def ours() -> None:
        get_default_interpreter().flush()
        exploration = explore_saved(opened, saved)
        assert compute_constants(exploration.workflow, exploration.varied) == ""
        batch = Batch("P17", [exploration.workflow], exploration.points, collect_cells)
        batch.evaluate()
        assert [int(outcome.collected[0][3]) for outcome in batch.outcomes] == expected

    def serial() -> None:
        get_default_interpreter().flush()
        actions, added, _ = saved.collectParameterActions(pipeline)
        pipelines, _ = ActionBasedParameterExploration().explore(pipeline, actions, added)
        values: list[Any] = []
        for one in pipelines:
            result = get_default_interpreter().execute(one)
            values.append(result.objects[point.id].get_output("o"))
        assert values == expected

    own, other = alternate(ours, serial)
    return [Row("P17", work, own, other, "s", "VisTrails' own loop", 0.55)]


def _exploration(module: int) -> Any:
    from vistrails.core.paramexplore.function import PEFunction
    from vistrails.core.paramexplore.param import PEParam
    from vistrails.core.paramexplore.paramexplore import ParameterExploration

    parameter = PEParam(
        id=0, pos=0, interpolator="Linear Interpolation", value=repr([1, POINTS]), dimension=0
    )
    function = PEFunction(id=0, module_id=module, port_name="a", is_alias=0, parameters=[parameter])
    return ParameterExploration(
        id=1, action_id=1, name=None, dims=repr([POINTS, 1, 1, 1]), layout="{}",
        functions=[function],
    )  # fmt: skip
