"""Failed elements as VisTrails reports them: one error, on the module that failed."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from vistrails.core.interpreter.base import AbortExecution
from vistrails.core.modules.vistrails_module import ModuleError

from parallelflow.engine import payload
from parallelflow.engine.remote_failure import short
from parallelflow.errors import (
    ElementError,
    ElementFailure,
    FailureDetail,
    ParallelFlowError,
    some_of,
)
from parallelflow.progress import Progress
from parallelflow.wording import count

from .loop import Loop

__all__ = [
    "failure_in_session",
    "first_unable",
    "is_stop",
    "is_unable",
    "loop_error",
    "module_error",
    "ran_once",
    "unsendable_input",
]

#: So many different messages of failed elements are told; all failures are in the panel *Runs*.
MOST_MESSAGES = 3

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
        begin = f"{len(ordered)} of {first.total} elements failed. Element {first.place}"
        message = "\n".join([f"{begin} ({first.input}): {message}", *_others(ordered)])
    error = ModuleError(_failed_module(loop, first), message, errorTrace=_trace(first))
    error.element, error.elements = first, ordered
    return error


def _others(failures: list[ElementFailure]) -> Iterator[str]:
    """Yield lines about all failures but the first: three messages, and how often each came."""
    by_message: dict[str, list[ElementFailure]] = {}
    for failure in failures:
        by_message.setdefault(failure.message, []).append(failure)
    told = list(by_message.items())[:MOST_MESSAGES]
    for position, (message, same) in enumerate(told):
        if position:
            yield f"element {same[0].place} ({same[0].input}): {message}"
        if len(same) > 1:
            yield f"  the same: {some_of([f'element {f.place} ({f.input})' for f in same[1:]])}"
    left = len(failures) - sum(len(same) for _, same in told)
    if left:
        yield f"and {left} more with other messages"


def loop_error(
    loop: Loop, e: ParallelFlowError | AbortExecution, progress: Progress
) -> ModuleError:
    """Return the error of a loop that could not go on, or was cancelled by the user."""
    if isinstance(e, ParallelFlowError):
        return ModuleError(loop.module, f"{e}\n{e.more}".strip())
    finished = f"{progress.done} of {count(progress.total, 'element')}"
    return ModuleError(
        loop.module,
        f"Cancelled when {finished} had finished; executing the workflow again goes on from them.",
    )


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
        detail=FailureDetail(error.module.moduleInfo.get("moduleId")),
        path=loop.path_of(index),
    )


def is_stop(error: ModuleError) -> bool:
    """Return True if an element was ended by the user, or ends the workflow: no others may run.

    VisTrails makes errors of a module out of Ctrl-C and of its own Cancel.
    """
    return error.abort or isinstance(error.__context__, (KeyboardInterrupt, AbortExecution))


def is_unable(failure: ElementFailure) -> bool:
    """Return True if an element, or its value, could not travel: it may well run here."""
    return failure.stage in OUTSIDE_THE_FUNCTION


def first_unable(loop: Loop, failures: Mapping[int, ElementFailure]) -> ElementFailure | None:
    """Return the first element that could not travel, of a loop that evaluates such ones here."""
    unable = [index for index, failure in failures.items() if is_unable(failure)]
    return failures[min(unable)] if loop.serial_if_unable and unable else None


def unsendable_input(loop: Loop) -> ModuleError | None:
    """Return the error of a value for another port that cannot be pickled; None if all can."""
    for value in loop.spec.values:
        try:
            payload.dump(value.value)
        except Exception as e:  # of any kind: pickling runs the value's own code
            [owner, *_] = (
                module
                for module in loop.copied_modules
                if module.moduleInfo["moduleId"] == value.module
            )
            return ModuleError(
                loop.module,
                f"The value on port {value.port} of {type(owner).__name__} cannot be sent "
                f"to an engine: {type(e).__name__}: {e}. Make it a value that pickle takes, or "
                "compute it inside the function (a Group).",
            )
    return None


def ran_once(loop: Loop, failures: Mapping[int, ElementFailure]) -> bool:
    """Return True if the function ran well for an element that VisTrails' loop would have run.

    That ends at the first failure; a loop that goes on without failed elements runs them all.
    """
    first = min(failures)
    every = loop.leave_out is not None and len(failures) < len(loop.elements)
    return every or first > 0 or failures[first].detail.function_ran


def _failed_module(loop: Loop, failure: ElementFailure) -> Any:
    """Return the module that failed: the function, or one that it takes as a module."""
    if failure.stage in OUTSIDE_THE_FUNCTION:
        return loop.module
    for module in loop.copied_modules:
        if module.moduleInfo["moduleId"] == failure.detail.module:
            return module
    return loop.functions[-1]


def _message(failure: ElementFailure) -> str:
    """Return the text for an element's failure: VisTrails' own where it has one."""
    return failure.message if failure.stage == "run" else str(failure)


def _trace(failure: ElementFailure) -> str:
    """Return where an element failed, and the remote traceback."""
    lines = [f"Element {failure.place} of {failure.total}: {failure.input}"]
    if failure.engine is not None:
        lines.append(f"on engine {failure.engine} of {failure.host}")
    return "\n".join([*lines, ElementError([failure]).more, "", failure.traceback])
