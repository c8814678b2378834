"""What went wrong on an engine, as data: every exception travels, whatever it is.

Standard library only.
"""

from __future__ import annotations

import reprlib
import traceback
from dataclasses import dataclass
from typing import Any

from parallelflow.errors import NO_DETAIL, FailureDetail, FailureStage

__all__ = ["RemoteFailure", "RemoteFailureError", "RunOnClient", "failure_of", "short"]

# A traceback is kept whole up to here; recursion errors repeat themselves for megabytes.
MAX_TRACE_CHARS = 20_000

# Where an element or its value is packed or unpacked: what these libraries call one another tells
# the user nothing.
IN_TRANSIT = ("pickle", "input", "result")
PACKERS = ("parallelflow", "cloudpickle", "pickle")


@dataclass
class RemoteFailure:
    """Why one element has no value.

    Attributes
    ----------
    stage : str
        ``input`` (unpickling it), ``setup``, ``run``, ``result`` (pickling it),
        ``interrupted``, ``timeout``, ``lost``, or ``client`` (no failure: the client has to
        run it).
    error_type : str
        Name of the exception's class.
    message : str
        Its text; for a VisTrails module the text of its ``ModuleError``.
    trace : str
        The remote traceback, without colour codes; empty if none of the user's code failed.
    detail : FailureDetail
        What failed inside the function.
    exception : bytes or None
        The exception itself, pickled, where a plain function raised one that can be.
    """

    stage: FailureStage
    error_type: str
    message: str
    trace: str = ""
    detail: FailureDetail = NO_DETAIL
    exception: bytes | None = None


class RunOnClient(BaseException):
    """Raised where an element needs the client's session: the client runs it itself then."""


class RemoteFailureError(Exception):
    """An exception that a function's kind has already worded.

    Parameters
    ----------
    failure : RemoteFailure
        What the client is told.
    """

    def __init__(self, failure: RemoteFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def failure_of(error: BaseException, stage: FailureStage) -> RemoteFailure:
    """Return an exception as data; safe also if its ``str`` raises.

    Parameters
    ----------
    error : BaseException
        The exception, with its traceback.
    stage : str
        See `RemoteFailure`.
    """
    if isinstance(error, RemoteFailureError):
        return error.failure
    try:
        message = str(error)
    except BaseException as e:
        message = f"(its text cannot be shown: {type(e).__name__})"
    try:
        trace = _trace_in_transit(error) if stage in IN_TRANSIT else _trace(error)
    except BaseException:
        trace = ""
    if len(trace) > MAX_TRACE_CHARS:
        half = MAX_TRACE_CHARS // 2
        trace = f"{trace[:half]}\n[...]\n{trace[-half:]}"
    return RemoteFailure(stage, type(error).__name__, message, trace)


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _trace_in_transit(error: BaseException) -> str:
    """Return the traceback from the first call of the user's code on; empty if there is none."""
    frames = error.__traceback__
    while frames is not None and _packs(frames.tb_frame.f_globals.get("__name__")):
        frames = frames.tb_next
    return _trace(error.with_traceback(frames)) if frames is not None else ""


def _packs(module: object) -> bool:
    return str(module).partition(".")[0] in PACKERS


def short(value: Any) -> str:
    """Return a value's repr, shortened to fit an error; safe also if its ``repr`` raises."""
    try:
        return _repr.repr(value)
    except BaseException as e:
        return f"<{type(value).__name__} whose repr raises {type(e).__name__}>"


_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 80
