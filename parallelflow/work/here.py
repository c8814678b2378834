"""One element of `parallel_map` in this process, where there is no engine for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from parallelflow.engine.exceptions import add_cause
from parallelflow.engine.remote_failure import failure_of, short
from parallelflow.errors import ElementError, ElementFailure

__all__ = ["evaluate_here"]


def evaluate_here(
    function: Callable[..., Any], index: int, total: int, element: Any, retries: int = 0
) -> tuple[Any, ElementFailure | None, BaseException | None]:
    """Evaluate one element in this process; return its value, or its failure and exception."""
    process = os.getpid()
    try:
        return function(*element), None, None
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        if os.getpid() != process:  # a child that the element has forked ends by it
            raise
        if retries > 0:
            return evaluate_here(function, index, total, element, retries - 1)
        failure = _failure(index, total, element, e)
        add_cause(e, ElementError([failure]))
        return None, failure, e


def _failure(index: int, total: int, element: Any, error: BaseException) -> ElementFailure:
    failure = failure_of(error, "run")
    return ElementFailure(
        index, total, short(element), "run", failure.error_type, failure.message, failure.trace
    )
