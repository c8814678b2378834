"""The table of results: a row for each point, with its parameters, its results and its error."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from parallelflow.engine.cells import Result, cell

from .outcome import Outcome

__all__ = ["result_table"]

ERROR = "error"
"""The last column; empty where a point has its results."""

NOT_RUN = "not run"


def result_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    outcomes: Sequence[Outcome],
    failed: Any = None,
) -> str:
    """Return a table as CSV.

    Parameters
    ----------
    columns : sequence of str
        The names of the parameters.
    rows : sequence of sequence of str
        Their values, a row for each point.
    outcomes : sequence of Outcome
        What came of the points: results as `parallelflow.engine.cells.collect_cells` gives them.
    failed : object
        What stands for each result of a point that has failed; None for nothing.
    """
    names = _names([result for outcome in outcomes for result in outcome.collected or ()])
    results = list(dict.fromkeys(names.values()))
    taken = set(columns)
    header = [*columns, *(f"{name} (result)" if name in taken else name for name in results), ERROR]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for cells, outcome in zip(rows, outcomes, strict=True):
        values = {names[result[:3]]: result[3] for result in outcome.collected or ()}
        without = cell(failed) if outcome.failure is not None else ""
        writer.writerow([*cells, *(values.get(name, without) for name in results), _error(outcome)])
    return text.getvalue()


def _error(outcome: Outcome) -> str:
    if outcome.failure is not None:
        return outcome.failure.message
    return "" if outcome.collected is not None else NOT_RUN


def _names(results: Sequence[Result]) -> dict[tuple[int, int, str], str]:
    """Return the columns' names; results of one name in one workflow are told by their modules."""
    found = dict.fromkeys(result[:3] for result in results)
    shared = {
        (workflow, name)
        for workflow, number, name in found
        if any(w == workflow and n == name and i != number for w, i, n in found)
    }
    return {
        key: f"{key[2]} (id {key[1]})" if (key[0], key[2]) in shared else key[2]
        for key in sorted(found, key=lambda key: (key[0], key[1]))
    }
