"""Run a loop of the window again: what has failed, or all of it."""

from __future__ import annotations

from typing import Any

from parallelflow.loops.resume import computing_all
from parallelflow.trace import Place

from . import main_window

__all__ = ["forget_cached", "run_all_again", "run_failed_again"]


def run_failed_again() -> None:
    """Execute the workflow: loops compute what has failed or was not reached."""
    _controller().execute_user_workflow()


def run_all_again(place: Place) -> None:
    """Execute the workflow, of which one loop computes all elements.

    Parameters
    ----------
    place : Place
        The loop. What VisTrails has of it in its cache goes, and of what comes after it; so does
        what an earlier run has left of any loop of the workflow.
    """
    forget_cached(place)
    with computing_all():
        _controller().execute_user_workflow()


def _controller() -> Any:
    return main_window.main_window().get_current_controller()


def forget_cached(place: Place) -> None:
    """Remove a loop, and what comes after it, from what VisTrails keeps of earlier executions."""
    from vistrails.core.interpreter.default import get_default_interpreter

    interpreter = get_default_interpreter().get()
    found = [
        number
        for number, module in interpreter._objects.items()
        if _is_or_has(module, place.module)
    ]
    interpreter.clean_modules(found)


def _is_or_has(module: Any, wanted: int) -> bool:
    """Return True if a module is the one of an id, or a Group that has it."""
    if module.moduleInfo.get("moduleId") == wanted:
        return True
    return any(_is_or_has(inner, wanted) for inner in getattr(module, "persistent_modules", ()))
