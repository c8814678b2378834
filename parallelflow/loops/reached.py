"""What can be reached in a workflow along its connections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

__all__ = ["reached"]


def reached(edges: Callable[[int], Iterable[tuple[int, Any]]], start: Collection[int]) -> set[int]:
    """Return modules, and all that can be reached from them.

    Parameters
    ----------
    edges : callable
        Given a module's id, returns the ids of its neighbours, each with a connection:
        ``edges_from`` of a pipeline's graph for what is downstream, ``edges_to`` for upstream.
    start : collection of int
        The modules' ids.
    """
    found, open_ = set(start), list(start)
    while open_:
        for number, _ in edges(open_.pop()):
            if number not in found:
                found.add(number)
                open_.append(number)
    return found
