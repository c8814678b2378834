"""Executions of pipelines, some of whose modules are branches on engines, and which these are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parallelflow.engine.place import on_engine
from parallelflow.settings import settings

from .branches import Branches
from .choice import is_marked
from .slow_modules import slow_modules

__all__ = ["with_branches"]

Execute = Callable[..., Any]


def with_branches(execute_pipeline: Execute) -> Execute:
    """Return ``CachedInterpreter.execute_pipeline`` with marked modules as branches on engines.

    Parameters
    ----------
    execute_pipeline : callable
        VisTrails' own.
    """

    def execute(interpreter: Any, pipeline: Any, objects: Any, *rest: Any, **keywords: Any) -> Any:
        branches = _wanted(pipeline, keywords.get("controller"))
        if not branches:
            return execute_pipeline(interpreter, pipeline, objects, *rest, **keywords)
        sinks = keywords.get("sinks")
        wanted = pipeline.graph.sinks() if sinks is None else [n for n in sinks if n in objects]
        stop_on_error = bool(keywords.get("stop_on_error", True))
        with Branches(pipeline, objects, wanted, branches, stop_on_error).ready():
            return execute_pipeline(interpreter, pipeline, objects, *rest, **keywords)

    return execute


def _wanted(pipeline: Any, controller: Any) -> set[int]:
    """Return the modules that are to be branches: those marked, and, if switched on, slow ones."""
    if on_engine():
        return set()
    marked = {module.id for module in pipeline.module_list if is_marked(module)}
    # Only the whole workflow has a controller, and a log of its own.
    if controller is None or not settings().branchesFromLog:
        return marked
    return marked | slow_modules(pipeline, controller, marked)
