"""Failed elements as VisTrails reports them: one error, on the module that failed."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from vistrails.core.interpreter.base import AbortExecution
from vistrails.core.modules.vistrails_module import ModuleError

from parallelflow.engine.remote_failure import short
from parallelflow.errors import ElementError, ElementFailure

from .loop import Loop

__all__ = ["failure_in_session", "is_stop", "module_error", "ran_once"]

#: Stages of a failure at which no module of the function has run.
OUTSIDE_THE_FUNCTION = ("pickle", "input", "result")


def module_error(loop: Loop, failures: Mapping[int, ElementFailure]) -> ModuleError:
    """Return the error of a loop with failed elements, in the words of VisTrails' own loops.

    Parameters
    ----------
    loop : Loop
        The loop. If the first failure does not stop it, the text names every failed element.
    failures : mapping of int to ElementFailure
        By index, at least one.

    Returns
    -------
    ModuleError
        On the module that failed. Its attribute ``element`` is the first failure, ``elements``
        is the list of all.
    """
    ordered = [failures[index] for index in sorted(failures)]
    first = ordered[0]
    message = _message(first)
    if len(ordered) > 1 and not loop.stop_on_error:
        begin = f"{len(ordered)} of {first.total} elements failed. Element {first.index}"
        others = [f"element {f.index} ({f.input}): {f.message}" for f in ordered[1:]]
        message = "\n".join([f"{begin} ({first.input}): {message}", *others])
    error = ModuleError(_failed_module(loop, first), message, errorTrace=_trace(first))
    error.element, error.elements = first, ordered
    return error


def failure_in_session(loop: Loop, index: int, error: ModuleError) -> ElementFailure:
    """Return the failure of an element that was evaluated in this session's process.

    Parameters
    ----------
    loop : Loop
        The loop.
    index : int
        The element's index.
    error : ModuleError
        What its evaluation has raised.
    """
    return ElementFailure(
        index=index,
        total=len(loop.elements),
        input=short(loop.elements[index]),
        stage="run",
        error_type=type(error).__name__,
        message=error.msg,
        traceback=error.errorTrace or "".join(traceback.format_exception(error)),
        where=(error.module.moduleInfo.get("moduleId"),),
    )


def is_stop(error: ModuleError) -> bool:
    """Return True if an element was ended by the user, or ends the workflow: no others may run.

    VisTrails makes errors of a module out of Ctrl-C and of its own Cancel.
    """
    return error.abort or isinstance(error.__context__, (KeyboardInterrupt, AbortExecution))


def ran_once(failures: Mapping[int, ElementFailure]) -> bool:
    """Return True if the function ran well for an element up to the first failed one."""
    first = min(failures)
    where = failures[first].where
    return first > 0 or (len(where) > 2 and bool(where[2]))


def _failed_module(loop: Loop, failure: ElementFailure) -> Any:
    """Return the module that failed: the function, or one that it takes as a module."""
    if failure.stage in OUTSIDE_THE_FUNCTION:
        return loop.module
    wanted = failure.where[0] if failure.where else None
    for module in loop.copied_modules:
        if module.moduleInfo["moduleId"] == wanted:
            return module
    return loop.functions[-1]


def _message(failure: ElementFailure) -> str:
    """Return the text for an element's failure: VisTrails' own where it has one."""
    return failure.message if failure.stage == "run" else str(failure)


def _trace(failure: ElementFailure) -> str:
    """Return where an element failed, and the remote traceback."""
    lines = [f"Element {failure.index} of {failure.total}: {failure.input}"]
    if failure.engine is not None:
        lines.append(f"on engine {failure.engine} of {failure.host}")
    return "\n".join([*lines, ElementError([failure]).more, "", failure.traceback])
