"""Findings on a terminal: the state first, the text beside it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

from parallelflow.findings import Finding

__all__ = ["finding_lines", "terminal_columns"]

# Lines fit a terminal of the usual width; a wider one is used up to what is easily read.
COLUMNS = 80
MOST_COLUMNS = 100
INDENT = 8


def terminal_columns() -> int:
    """Return how wide lines may be."""
    return min(max(shutil.get_terminal_size((COLUMNS, 24)).columns, COLUMNS), MOST_COLUMNS)


def finding_lines(finding: Finding, columns: int) -> Iterator[str]:
    """Return a finding's lines, wrapped.

    Parameters
    ----------
    finding : Finding
        What was found.
    columns : int
        How wide they may be.
    """
    first = finding.state.ljust(INDENT)
    for text in (finding.text, *finding.more):
        yield textwrap.fill(
            text,
            columns - 1,
            initial_indent=first,
            subsequent_indent=" " * (INDENT if text is finding.text else INDENT + 2),
            break_on_hyphens=False,
            break_long_words=False,
        )
        first = " " * INDENT
