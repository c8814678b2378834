"""Where the table of results goes: a file, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .output_files import write_or_print

if TYPE_CHECKING:
    from parallelflow.batch.outcome import Outcome

__all__ = ["write_results"]


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
