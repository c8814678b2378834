"""Where the table of results goes: a file, or standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parallelflow.errors import TableError
from parallelflow.system import safe_files

from .output_files import write_or_print

if TYPE_CHECKING:
    from parallelflow.batch.outcome import Outcome

__all__ = ["check_place", "write_results"]


def check_place(out: str | None) -> None:
    """Raise unless the table of results can be written.

    Parameters
    ----------
    out : str or None
        The file; None for standard output.

    Raises
    ------
    TableError
        If the folder is missing, or cannot be written; if there is something else than a file.
    """
    if out is None:
        return
    path = Path(out)
    if safe_files.is_folder(path) or not path.name:
        raise TableError(out, "is a folder: give the name of a file for the results.")
    if safe_files.is_circle(path):
        raise TableError(out, "is a link that leads in a circle: give another name.")
    if path.exists() and not path.is_file():
        raise TableError(out, "is no ordinary file: give the name of one for the results.")
    if not safe_files.is_folder(path.parent):
        raise TableError(out, "there is no such folder to write the results into.")
    if not os.access(path.parent, os.W_OK):
        raise TableError(out, "the results cannot be written: you may not write into its folder.")


def write_results(
    option: str,
    out: str | None,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    outcomes: Sequence[Outcome],
    failed: Any = None,
) -> None:
    """Write the table of results.

    Parameters
    ----------
    option : str
        The option that names the file.
    out : str or None
        The file, which is replaced; None for standard output.
    columns, rows, outcomes, failed
        As `parallelflow.batch.result_table.result_table` has them.
    """
    from parallelflow.batch.result_table import result_table

    text = result_table(columns, rows, outcomes, failed)
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_or_print(option, out, text)
