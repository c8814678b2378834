"""``parallelflow explore``: a workflow for all combinations of parameter values."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from parallelflow.errors import UserMistake

from . import target
from .batch import execute, point_log, show
from .detached import progress_display
from .element_options import point_policy
from .exits import Exit
from .messages import tell
from .opening import begin, opened, read_targets
from .output_files import check_output_files
from .progress import ProgressDisplay

if TYPE_CHECKING:
    from parallelflow.batch.exploration import Exploration

__all__ = ["explore"]

MOST_CHARACTERS = 100
"""Longer values are left out of a point's name."""


def explore(options: Namespace) -> int:
    """Run a workflow for all points of an exploration; write the table of results.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.explore_parser` makes it.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    ParallelFlowError
        Of the user's mistakes; nothing was run.
    """
    began = time.monotonic()
    if options.name is not None and options.axes:
        raise UserMistake("Give either --name, or the values by --set and --range.")
    if options.element is not None:
        raise UserMistake("--element is for one run: use 'parallelflow run' with a point's values.")
    check_output_files(options, [options.file], table_is_written=True)
    [wanted], [tree] = read_targets(options, [options.file])
    wanted = _with_version(wanted, tree, options.name)
    display = begin(options, "points")
    with opened([wanted], options.save_log) as [workflow]:
        from parallelflow.batch.exploration import Axis, combine, explore_saved, find_saved

        if options.axes:
            exploration = combine(workflow, [Axis(*axis) for axis in options.axes])
        else:
            exploration = explore_saved(workflow, find_saved(workflow, options.name))
        return _execute(exploration, options, display, began)


def _execute(
    exploration: Exploration, options: Namespace, display: ProgressDisplay, began: float
) -> int:
    from parallelflow.batch.constants import compute_constants, recomputed
    from parallelflow.batch.evaluation import Batch
    from parallelflow.engine.cells import collect_cells
    from parallelflow.loops.activation import running
    from parallelflow.loops.choice import Scope

    shared = progress_display(options, "elements")  # loops and branches before the points
    with shared.shown(), running(Scope.MARKED):
        failure = compute_constants(exploration.workflow, exploration.varied)
    if failure:
        tell(f"{failure.rstrip('.')}. No parameter reaches it: no point was computed.")
        return Exit.FAILED
    for name in recomputed(exploration.workflow, exploration.varied):
        tell(f"{name} is not cached: it is computed for every point, as VisTrails does it.")
    columns, rows = exploration.columns, exploration.rows
    points = [f"point {number}" for number in range(1, len(rows) + 1)]
    names = [f"{point}{_values(columns, row)}" for point, row in zip(points, rows, strict=True)]
    batch = Batch(
        "exploration",
        [exploration.workflow],
        exploration.points,
        collect_cells,
        show(display, points),
        point_policy(),
        kept=True,
        log=point_log(options, [exploration.workflow], exploration.points, columns, rows),
    )
    out = ("--table", options.table)
    return execute(batch, display, (columns, rows, names, began), out, "point")


def _values(columns: list[str], row: list[str]) -> str:
    """Return a point's values as its name shows them."""
    text = ", ".join(f"{name}={value}" for name, value in zip(columns, row, strict=True))
    return f" ({text})" if text.isprintable() and len(text) <= MOST_CHARACTERS else ""


def _with_version(wanted: target.Target, tree: Element, name: str | None) -> target.Target:
    """Return the version of a saved exploration, where only its name was given."""
    if wanted.version is not None or name is None:
        return wanted
    saved = list(tree.iter("parameterExploration"))
    for key in ("name", "id"):
        versions: set[Any] = {e.get("actionId") for e in saved if e.get(key) == name}
        if len(versions) == 1:
            return target.Target(wanted.path, versions.pop())
        if len(versions) > 1:
            listed = ", ".join(sorted(versions))
            raise UserMistake(
                f"{wanted} has explorations {name!r} in several versions: {listed}. Give one after "
                "a colon."
            )
    return wanted
