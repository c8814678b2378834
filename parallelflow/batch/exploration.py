"""From a parameter exploration to points: one that is saved in the file, or lists of values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parallelflow.engine.workflow_parameters import parameters_of
from parallelflow.engine.workflow_results import title
from parallelflow.engine.workflow_spec import Point
from parallelflow.errors import ExplorationError, ParameterError

from .describe import BatchWorkflow, resolve_variables
from .opened import Opened
from .output_paths import output_paths
from .parameters import Parameters, check_value

__all__ = ["MOST_POINTS", "Axis", "Exploration", "combine", "explore_saved", "find_saved"]

REASON = "Parameter Exploration"
"""Why workflows are run, as VisTrails logs it."""

MOST_POINTS = 10_000_000
"""More combinations than this are a mistake: their parameters alone fill the memory."""

#: A parameter's id and text, for each parameter that one step of a dimension sets.
Step = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Axis:
    """A parameter and the values that it takes.

    Attributes
    ----------
    name : str
        An alias, or ``MODULE.PORT``.
    values : tuple of str
        At least one; or two ends of a range, if there are `steps`.
    steps : int or None
        Into how many values the range is divided, its ends included.
    """

    name: str
    values: tuple[str, ...]
    steps: int | None = None


@dataclass
class Exploration:
    """What is to be run.

    Attributes
    ----------
    workflow : BatchWorkflow
        The workflow.
    points : list of Point
        All combinations.
    columns : list of str
        The names of the parameters that vary.
    rows : list of list of str
        Their values, for each point.
    varied : set of int
        The ids of these parameters.
    """

    workflow: BatchWorkflow
    points: list[Point]
    columns: list[str]
    rows: list[list[str]]
    varied: set[int]


def combine(opened: Opened, axes: Sequence[Axis]) -> Exploration:
    """Return the exploration of all combinations of parameters' values.

    Parameters
    ----------
    opened : Opened
        The workflow.
    axes : sequence of Axis
        The parameters; the last one varies fastest.

    Raises
    ------
    ParameterError
        If the workflow has no such parameter, or a value does not fit.
    ExplorationError
        If there are too many combinations.
    """
    parameters = Parameters(str(opened.target), opened.pipeline)
    dimensions: list[list[Step]] = []
    columns: dict[int, str] = {}
    for axis in axes:
        parameter = parameters.find(axis.name)
        if parameter.db_id in columns:
            raise ParameterError(axis.name, f"is the same parameter as {columns[parameter.db_id]}.")
        columns[parameter.db_id] = axis.name
        for value in axis.values:
            wrong = check_value(value, parameter)
            if wrong:
                raise ParameterError(axis.name, wrong)
        values = axis.values if axis.steps is None else _range(axis, parameter, axis.steps)
        dimensions.append([((parameter.db_id, value),) for value in values])
    resolve_variables(opened.controller, parameters.pipeline)
    return _exploration(opened, parameters.pipeline, dimensions, columns)


def _range(axis: Axis, parameter: Any, steps: int) -> list[str]:
    """Return the values of a range, as VisTrails' linear interpolation has them."""
    from vistrails.core.modules import paramexplore

    kinds: dict[str, tuple[Any, Any]] = {
        "Integer": (int, paramexplore.IntegerLinearInterpolator),
        "Float": (float, paramexplore.FloatLinearInterpolator),
    }
    if parameter.type not in kinds:
        raise ParameterError(
            axis.name, f"has the type {parameter.type}; only Integer and Float have ranges."
        )
    read, interpolator = kinds[parameter.type]
    first, last = map(read, axis.values)
    return [str(value) for value in interpolator(first, last, steps).get_values()]


def find_saved(opened: Opened, name: str | None) -> Any:
    """Return a parameter exploration that is saved with a workflow's version.

    Parameters
    ----------
    opened : Opened
        The workflow; VisTrails takes its explorations along when it upgrades a version.
    name : str or None
        Its name, or its id; None for the only one.

    Raises
    ------
    ExplorationError
        If there is none, or there are several.
    """
    controller = opened.controller
    controller.flush_delayed_actions()
    saved = controller.vistrail.get_paramexps(controller.current_version)
    if name is None:
        found = saved
    else:
        found = [e for e in saved if e.name == name] or [e for e in saved if str(e.id) == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted({e.name or f"id {e.id}" for e in saved}))
    has = f"it has: {names}" if saved else "it has none"
    if name is not None and not found:
        raise ExplorationError(f"{opened.target} has no exploration {name!r}; {has}.")
    if not saved:
        raise ExplorationError(f"{opened.target} has no saved exploration: give values by --set.")
    raise ExplorationError(f"{opened.target} has several explorations; choose by --name: {names}.")


def explore_saved(opened: Opened, saved: Any) -> Exploration:
    """Return a saved exploration's points, in the order in which the window executes them.

    Parameters
    ----------
    opened : Opened
        The workflow.
    saved : ParameterExploration
        As `find_saved` returns it.

    Raises
    ------
    ExplorationError
        If VisTrails finds no values for a parameter.
    """
    name = saved.name or f"id {saved.id}"
    pipeline = opened.pipeline.do_copy()
    try:
        collected = saved.collectParameterActions(pipeline)
    except Exception as e:
        what = f"{type(e).__name__}: {e}"
        raise ExplorationError(f"The exploration {name!r} does not fit its workflow: {what}") from e
    if not collected:
        raise ExplorationError(
            f"The exploration {name!r} has a parameter for which VisTrails finds no values: open "
            "it in the window and correct them."
        )
    actions, added, variables = collected
    for action in added:
        pipeline.perform_action(action)
    resolve_variables(opened.controller, pipeline, but=variables)
    # The last dimension is the outermost, as VisTrails goes through them.
    dimensions = [[_step(done) for done in actions[d]] for d in reversed(range(len(actions)))]
    dimensions = [steps for steps in dimensions if steps]
    if not dimensions:
        raise ExplorationError(f"The exploration {name!r} varies no parameter.")
    names = {parameter.db_id: _name(m, parameter) for m, parameter in parameters_of(pipeline)}
    varied = {number for steps in dimensions for number, _ in steps[0]}
    return _exploration(
        opened, pipeline, dimensions, {number: names[number] for number in sorted(varied)}
    )


def _step(actions: Iterable[Any]) -> Step:
    """Return what the actions of one step change."""
    operations = [operation for action in actions for operation in action.operations]
    return tuple((operation.old_obj_id, operation.data.strValue) for operation in operations)


def _name(module: Any, parameter: Any) -> str:
    """Return a parameter's alias, or its module and port."""
    if parameter.alias:
        return str(parameter.alias)
    function = next(f for f in module.functions if any(p is parameter for p in f.params))
    part = f"[{parameter.pos}]" if len(function.params) > 1 else ""
    return f"{title(module)}.{function.name}{part}"


def _exploration(
    opened: Opened, pipeline: Any, dimensions: Sequence[Sequence[Step]], columns: dict[int, str]
) -> Exploration:
    total = math.prod(len(steps) for steps in dimensions)
    if total > MOST_POINTS:
        raise ExplorationError(f"There would be {total} points; {MOST_POINTS} are the most.")
    files = output_paths(pipeline, set(columns))
    points, rows = [], []
    for position, steps in enumerate(itertools.product(*dimensions)):
        values = tuple(value for step in steps for value in step)
        number = f"{position + 1:0{len(str(total))}}" if total > 1 else ""
        points.append(Point(0, values + files(number), number))
        found = dict(values)
        rows.append([found[key] for key in columns])
    workflow = BatchWorkflow(str(opened.target), opened.controller, pipeline, REASON)
    return Exploration(workflow, points, list(columns.values()), rows, set(columns))
