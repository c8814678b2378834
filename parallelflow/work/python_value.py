"""A value that a user writes as text, as Python writes it."""

from __future__ import annotations

import ast

from parallelflow.errors import UserMistake, shortened

__all__ = ["NO_LITERAL", "python_value"]

NO_LITERAL = (MemoryError, RecursionError, SyntaxError, TypeError, ValueError)
"""What `ast.literal_eval` raises of what is no literal, such as a set of lists."""


def python_value(text: str) -> object:
    """Return the value that a text stands for.

    Parameters
    ----------
    text : str
        A literal of Python, such as ``0``, ``[1, 2]``, ``'none'``; ``nan``, ``inf`` or ``-inf``;
        empty for None.

    Raises
    ------
    UserMistake
        If it is none of these.
    """
    text = text.strip()
    if not text:
        return None
    if text.lstrip("+-").lower() in ("nan", "inf"):
        return float(text)
    try:
        return ast.literal_eval(text)
    except NO_LITERAL:
        raise UserMistake(
            f"{shortened(text)} is not a value as Python writes it: a number, a text in quotes, "
            "a list of these, None, nan."
        ) from None
