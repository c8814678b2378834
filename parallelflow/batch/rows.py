"""From a table of values to points of workflows."""

from __future__ import annotations

from collections.abc import Sequence

from parallelflow.engine.workflow_spec import Point
from parallelflow.errors import ParameterError, TableError

from .describe import BatchWorkflow, resolve_variables
from .opened import Opened
from .output_paths import output_paths
from .parameters import Parameters, check_value
from .table import Table

__all__ = ["Plan", "plan_rows"]

REASON = "parallelflow run --table"
"""Why workflows are run, as VisTrails logs it."""


class Plan:
    """What is to be run.

    Attributes
    ----------
    workflows : list of BatchWorkflow
        The workflows.
    points : list of Point
        All points, those of the first workflow first.
    """

    def __init__(self, workflows: list[BatchWorkflow], points: list[Point]) -> None:
        self.workflows = workflows
        self.points = points


def plan_rows(
    opened: Sequence[Opened], table: Table | None, fixed: Sequence[tuple[str, str]]
) -> Plan:
    """Return the runs of workflows for the rows of a table, every value checked.

    Parameters
    ----------
    opened : sequence of Opened
        The workflows, each of which is run for every row.
    table : Table, optional
        Without one, each workflow is run once.
    fixed : sequence of (str, str)
        Parameters that have the same value in all runs.

    Raises
    ------
    ParameterError
        If a workflow has no such parameter, or a fixed value does not fit.
    TableError
        If a cell does not fit, or a column is fixed as well.
    """
    columns = table.columns if table else ()
    for name, _ in fixed:
        if table and name in columns:
            raise TableError(
                str(table.path),
                f"has a column {name!r}, which --set or --params-file sets as well.",
            )
    plan = Plan([], [])
    rows = [row.cells for row in table.rows] if table else [()]
    total = len(opened) * len(rows)
    for position, workflow in enumerate(opened):
        parameters = Parameters(str(workflow.target), workflow.pipeline)
        same = [(parameters.find(name), name, value) for name, value in fixed]
        for parameter, name, value in same:
            wrong = check_value(value, parameter)
            if wrong:
                raise ParameterError(name, wrong)
        varied = [parameters.find(column) for column in columns]
        _check_distinct([*columns, *(name for _, name, _ in same)],
                        [p.db_id for p in [*varied, *(p for p, _, _ in same)]])  # fmt: skip
        if table:
            _check_cells(table, varied)
        pipeline = parameters.pipeline
        resolve_variables(workflow.controller, pipeline)
        always = tuple((parameter.db_id, value) for parameter, _, value in same)
        files = output_paths(pipeline, {p.db_id for p in varied})
        for cells in rows:
            number = _number(len(plan.points), total)
            values = tuple((p.db_id, cell) for p, cell in zip(varied, cells, strict=True))
            plan.points.append(Point(position, always + values + files(number), number))
        plan.workflows.append(
            BatchWorkflow(str(workflow.target), workflow.controller, pipeline, REASON)
        )
    return plan


def _number(position: int, total: int) -> str:
    """Return the number of a point in names of files; nothing if there is only one point."""
    return f"{position + 1:0{len(str(total))}}" if total > 1 else ""


def _check_cells(table: Table, parameters: Sequence[object]) -> None:
    known: set[tuple[int, str]] = set()
    for row in table.rows:
        for position, cell in enumerate(row.cells):
            if (position, cell) in known:
                continue
            wrong = check_value(cell, parameters[position])
            if wrong:
                where = f"line {row.line}, column {table.columns[position]!r}"
                if not cell.strip():
                    wrong = "the cell is empty."
                raise TableError(str(table.path), f"{where}: {wrong}")
            known.add((position, cell))


def _check_distinct(names: Sequence[str], numbers: Sequence[int]) -> None:
    """Raise if two names are those of one parameter."""
    for position, number in enumerate(numbers):
        if number in numbers[:position]:
            other = names[numbers.index(number)]
            raise ParameterError(names[position], f"is the same parameter as {other}.")
