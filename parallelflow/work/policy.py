"""What a run does with elements that fail or take long."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_POLICY", "ElementPolicy"]


@dataclass(frozen=True)
class ElementPolicy:
    """What becomes of elements that fail or take long.

    Attributes
    ----------
    stop_on_error : bool
        Whether the first failed element ends the run (those before it are still finished), or
        the others are finished first.
    time_limit : float or None
        How long an element may take, seconds; None for as long as it likes.
    retries : int
        How often an element that has raised is tried again.
    """

    stop_on_error: bool = True
    time_limit: float | None = None
    retries: int = 0


DEFAULT_POLICY = ElementPolicy()
"""As Control Flow's loops do it."""
