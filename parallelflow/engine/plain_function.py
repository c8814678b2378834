"""A plain function of Python, as the chunk runner calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .exceptions import dump_exception
from .main_module import MainFacts, main_module_of, main_replaced
from .remote_failure import RemoteFailureError, failure_of
from .runner import ElementFunction

__all__ = ["plain_function"]


def plain_function(
    function: Callable[..., Any], star: bool = False, main: MainFacts | None = None
) -> ElementFunction:
    """Return a plain function as the chunk runner wants it.

    Parameters
    ----------
    function : callable
        Takes an element, or its parts.
    star : bool
        Whether an element is a tuple of the function's arguments.
    main : MainFacts, optional
        What the client's ``__main__`` is, of which the function may come.
    """

    def prepared(index: int, element: Any) -> tuple[Any, Any]:
        try:
            return (function(*element) if star else function(element)), None
        except BaseException as e:
            own = isinstance(e, KeyboardInterrupt)
            failure = failure_of(e, "interrupted" if own else "run")
            # The client raises it again; one that cannot travel is told by its name and text.
            failure.exception = dump_exception(e)
            raise RemoteFailureError(failure) from e

    module = None if main is None else main_module_of(function, main)
    if module is not None:
        prepared.during_chunk = lambda: main_replaced(module)  # type: ignore[attr-defined]
    return prepared
