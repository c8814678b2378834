"""One attempt at an element that has failed. An element may be tried again."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Attempt"]


@dataclass(frozen=True)
class Attempt:
    """An attempt at an element that has failed.

    Attributes
    ----------
    engine : int
        The engine's id.
    host : str or None
        Its machine.
    error : str
        What was raised.
    """

    engine: int
    host: str | None
    error: str
