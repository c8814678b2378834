"""Runs of whole workflows from the command line: the rows of a table, several files."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parallelflow.batch.table import read_table
from parallelflow.engine.place import on_engine
from parallelflow.engine_manager import get_manager
from parallelflow.errors import some_of
from parallelflow.progress import recent
from parallelflow.wording import count

from . import report, signals
from .detached import note_checked
from .element_options import leaves_out, point_policy
from .engines import Terminal
from .exits import Exit
from .leave import offered
from .messages import tell
from .opening import begin, opened, read_targets
from .progress import ProgressDisplay
from .progress_mode import ProgressMode
from .result_file import write_results

if TYPE_CHECKING:
    from parallelflow.batch.describe import BatchWorkflow
    from parallelflow.batch.evaluation import Batch
    from parallelflow.batch.point_log import PointLog
    from parallelflow.engine.workflow_spec import Point
    from parallelflow.work.output import Written

__all__ = ["execute", "run_batch"]

MOST_FAILURES = 20
"""So many failed points are told with their reasons; the others are in the table."""


def run_batch(options: Namespace) -> int:
    """Run each workflow for each row of a table; write the table of results.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.parser` makes it.

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
    table = read_table(Path(options.table)) if options.table else None
    targets, _ = read_targets(options, options.files)
    unit = "row" if table else "workflow"
    display = begin(options, f"{unit}s")
    with opened(targets, options.save_log) as workflows:
        from parallelflow.batch.evaluation import Batch
        from parallelflow.batch.rows import plan_rows
        from parallelflow.engine.cells import collect_cells

        plan = plan_rows(workflows, table, options.aliases)
        count = len(table.rows) if table else 1
        names = [
            " ".join(
                [str(wanted)] * (len(targets) > 1 or table is None) + [f"row {i + 1}"] * bool(table)
            )
            for wanted in targets
            for i in range(count)
        ]
        label = Path(options.table).name if options.table else "workflows"
        columns = [*(["workflow"] if len(targets) > 1 else []), *(table.columns if table else ())]
        rows = [
            [*([str(wanted)] if len(targets) > 1 else []), *cells]
            for wanted in targets
            for cells in ([row.cells for row in table.rows] if table else [()])
        ]
        batch = Batch(
            label,
            plan.workflows,
            plan.points,
            collect_cells,
            show(display, names),
            point_policy(),
            kept=True,
            log=point_log(options, plan.workflows, plan.points, columns, rows),
        )
        return execute(
            batch, display, (columns, rows, names, began), ("--output", options.out), unit
        )


def show(display: ProgressDisplay, names: Sequence[str]) -> Callable[[int, Written], None]:
    """Return a function that shows what a point wrote, marked with its name."""

    def show_written(position: int, written: Written) -> None:
        for _, text in written:
            for line in text.splitlines():
                display.line(f"[{names[position]}] {line}")

    return show_written


def point_log(
    options: Namespace,
    workflows: Sequence[BatchWorkflow],
    points: Sequence[Point],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> PointLog | None:
    """Return what logs points, None where that is not wanted.

    Parameters
    ----------
    options : Namespace
        With ``save_log``.
    workflows, points
        As the batch gets them.
    columns, rows
        The names and values of the points' parameters.
    """
    if options.save_log is None:
        return None
    from parallelflow.batch.point_log import PointLog

    parameters = [dict(zip(columns, row, strict=True)) for row in rows]
    return PointLog(workflows, points, parameters)


def execute(
    batch: Batch,
    display: ProgressDisplay,
    described: tuple[Sequence[str], Sequence[Sequence[str]], Sequence[str], float],
    out: tuple[str, str | None],
    unit: str,
) -> int:
    """Evaluate points, write the table of results, and tell what has failed.

    Parameters
    ----------
    batch : Batch
        The points, with `parallelflow.engine.cells.collect_cells`.
    display : ProgressDisplay
        Where progress is shown.
    described : tuple
        The columns of the points' parameters, their rows, what the user calls the points, and
        when the command began, on the monotonic clock.
    out : tuple of (str, str or None)
        The option that says where to write, and its value; None for standard output.
    unit : str
        What a point is called, in the singular.

    Returns
    -------
    int
        The exit code.
    """
    columns, rows, names, began = described
    note_checked(f"{unit}s")
    left_out, value = leaves_out()
    if not on_engine():
        get_manager().prepare()
    try:
        with display.shown(), offered(display):
            batch.evaluate()
    finally:
        # What has finished is kept, whatever has ended the rest.
        if not signals.is_leaving() and any(
            outcome.failure or outcome.collected is not None for outcome in batch.outcomes
        ):
            write_results(*out, columns, rows, batch.outcomes, value if left_out else None)
    if signals.exit_code() is not None:
        return Exit.FAILED
    failed = _tell_failures(batch, names, unit, left_out)
    for run in recent() if left_out else ():
        run.left_out = run.left_out or run.run in display.last
    if display.last and display.mode is not ProgressMode.QUIET:
        terminal = get_manager().interaction
        start = terminal.start_seconds if isinstance(terminal, Terminal) else None
        seconds = time.monotonic() - began
        tell(report.summary(list(display.last.values()), seconds, 0, start, unit))
    return Exit.FAILED if failed and not left_out else Exit.OK


def _tell_failures(batch: Batch, names: Sequence[str], unit: str, left_out: bool) -> int:
    """Tell which points have failed and why, the essence last; return how many."""
    failed: list[tuple[str, Any]] = [
        (name, outcome.failure)
        for name, outcome in zip(names, batch.outcomes, strict=True)
        if outcome.failure is not None
    ]
    # One traceback: the others are mostly of the same kind.
    for trace in [f.trace for _, f in failed if report.is_unexpected(f.trace)][:1]:
        print(trace.strip(), file=sys.stderr)
    for name, failure in failed[:MOST_FAILURES]:
        on = f" (on {failure.place})" if failure.place else ""
        tell(f"{name}: {failure.message}{on}")
    if failed:
        total = count(len(names), unit)
        listed = some_of([name for name, _ in failed], MOST_FAILURES)
        ending = ", and are left out" if left_out else ""
        tell(f"{len(failed)} of {total} failed{ending}: {listed}")
        not_run = sum(o.collected is None and o.failure is None for o in batch.outcomes)
        if not_run:
            tell(f"{not_run} of {total} were not run")
    return len(failed)
