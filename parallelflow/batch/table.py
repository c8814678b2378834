"""A table of parameter values: a CSV file with a row for each run. Standard library only."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from parallelflow.errors import TableError
from parallelflow.system import safe_files

__all__ = ["Row", "Table", "read_table"]

MAX_TABLE_BYTES = 256 * 2**20
"""The largest table that is read: some millions of rows."""

# What spreadsheets write between cells where the comma is the decimal sign, or to the clipboard.
SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes
    ----------
    line : int
        Its first line in the file, from 1.
    cells : tuple of str
        As many as the table has columns.
    """

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What a file holds.

    Attributes
    ----------
    path : Path
        The file.
    columns : tuple of str
        The names in its first line.
    rows : list of Row
        The others, at least one.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]


def read_table(path: Path) -> Table:
    """Return what a CSV file holds.

    Parameters
    ----------
    path : Path
        The file: UTF-8, the columns' names in the first line, commas (or semicolons, or tabs)
        between cells.

    Raises
    ------
    TableError
        If it cannot be read or is no table with at least one row.
    """
    name = str(path)
    try:
        text = safe_files.read_bytes(path, MAX_TABLE_BYTES).decode("utf-8-sig")
    except safe_files.UnusableFile as e:
        raise TableError(name, f"{e.reason}.") from e
    except OSError as e:
        raise TableError(name, f"cannot be read: {e.strerror or e}.") from e
    except UnicodeDecodeError as e:
        line = e.object[: e.start].count(b"\n") + 1
        raise TableError(name, f"line {line} is not UTF-8; save the table as UTF-8.") from e
    columns: tuple[str, ...] = ()
    rows: list[Row] = []
    for line, cells in _lines(name, text):
        if not columns:
            columns = _columns(name, cells)
        elif len(cells) != len(columns):
            raise TableError(
                name, f"line {line} has {len(cells)} cells, the first line has {len(columns)}."
            )
        else:
            rows.append(Row(line, tuple(cells)))
    if not rows:
        raise TableError(name, "has no rows: the first line names columns, each other is a run.")
    return Table(path, columns, rows)


def _lines(name: str, text: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that is not blank, with the line's number."""
    first = text.partition("\n")[0]
    separator = next((s for s in SEPARATORS if s in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    found, line = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as e:
        raise TableError(name, f"line {line} is no line of a CSV table: {e}.") from e
    return found


def _columns(name: str, cells: list[str]) -> tuple[str, ...]:
    columns = [cell.strip() for cell in cells]
    for position, column in enumerate(columns, 1):
        if not column:
            raise TableError(name, f"column {position} has no name in the first line.")
        if column in columns[: position - 1]:
            raise TableError(name, f"has two columns {column!r}.")
    return tuple(columns)
