"""Runs' elements as a file of comma-separated values, for a spreadsheet or pandas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from parallelflow.progress import Progress
from parallelflow.system import safe_files

from .table import RunTable

__all__ = ["TITLES", "write_trace"]

TITLES = (
    "run",
    "index",
    "state",
    "input",
    "engine",
    "host",
    "start",
    "seconds",
    "peak_memory",
    "attempt",
    "message",
)


def write_trace(path: Path, runs: Sequence[Progress]) -> None:
    """Write a line for each element of each run.

    Parameters
    ----------
    path : Path
        The file; what is there is replaced, once all lines are made.
    runs : sequence of Progress
        The runs. ``start`` is in seconds since the run began, ``peak_memory`` in bytes.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TITLES)
    for run in runs:
        writer.writerows(_lines(run))
    # A link stays one; what is no character is written as "\udcff".
    safe_files.replace_text(path.resolve(), text.getvalue(), errors="backslashreplace")


def _lines(run: Progress) -> Iterable[tuple[object, ...]]:
    table = RunTable(run)
    table.refresh()
    for index in range(len(table)):
        row = table.row(index)
        start = "" if row.start is None else f"{row.start - run.trace.began:.6f}"
        seconds = "" if row.seconds is None else f"{row.seconds:.6f}"
        engine = "" if row.engine is None else row.engine
        yield (
            run.label,
            index,
            row.state.value,
            table.shown_input(index),
            engine,
            row.host,
            start,
            seconds,
            "" if row.memory is None else row.memory,
            row.attempt or "",
            row.message,
        )
