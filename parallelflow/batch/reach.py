"""What the parameters of an exploration reach in a workflow."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vistrails.core.modules.vistrails_module import NotCacheable

from parallelflow.loops.reached import reached

__all__ = ["divide", "downstream", "may_be_cached"]

CACHES = "cache_this"
"""What a PythonSource calls to be cached."""


def may_be_cached(module: Any) -> bool:
    """Return False if VisTrails executes a module each time, as far as that is known before.

    Parameters
    ----------
    module : vistrails.core.vistrail.module.Module
        The module of a pipeline.
    """
    if module.cache != 1:
        return False
    try:
        kind = module.module_descriptor.module
    except Exception:  # a Group has none of its own: its modules decide when it has run
        return True
    if not issubclass(kind, NotCacheable):
        return True
    return any(
        CACHES in str(parameter.strValue)
        for function in module.functions
        if function.name == "source"
        for parameter in function.params
    )


def divide(
    pipeline: Any, start: Collection[int], stay: Collection[int] = ()
) -> tuple[set[int], set[int]]:
    """Return what is downstream of modules, and the other modules whose values are wanted.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow.
    start : collection of int
        The modules; they are among the first.
    stay : collection of int
        Modules that are in neither.

    Returns
    -------
    (set of int, set of int)
        The second ones are connected to the first, or nothing is connected to them.
    """
    travels = downstream(pipeline, start) - {*stay}
    feeders = {
        connection.sourceId
        for connection in pipeline.connection_list
        if connection.destinationId in travels and connection.sourceId not in travels
    }
    return travels, feeders | (set(pipeline.graph.sinks()) - travels - {*stay})


def downstream(pipeline: Any, start: Collection[int]) -> set[int]:
    """Return modules and all that is downstream of them."""
    return reached(pipeline.graph.edges_from, start)
