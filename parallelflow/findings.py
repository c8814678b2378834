"""What a check has found: fine, a note, or something to do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FINE", "NOTE", "TO_DO", "Finding"]

FINE, NOTE, TO_DO = "fine", "note", "to do"


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes
    ----------
    state : str
        ``fine``; ``note``, something that not everybody needs; ``to do``, something without
        which workflows do not run in parallel.
    text : str
        What was found and, unless it is fine, what to do.
    more : tuple of str
        Further lines.
    """

    state: str
    text: str
    more: tuple[str, ...] = ()
