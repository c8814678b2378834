"""Words that all parts tell a person in the same way."""

from __future__ import annotations

__all__ = ["count"]


def count(number: int, word: str, plural: str = "") -> str:
    """Return a number with its word: ``1 engine``, ``2 engines``."""
    return f"{number} {word if number == 1 else plural or word + 's'}"
