"""A function of Python as `parallel_map` sends it, with what is the same for all elements."""

from __future__ import annotations

import functools
import itertools
import pickle
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from parallelflow.engine import payload, pickler
from parallelflow.errors import FunctionNotSendable

from .culprit import find_culprit

__all__ = ["function_name", "sendable", "with_constants"]

# The name under which VisTrails imports the packages that users have written.
USER_PACKAGES = "userpackages"
# What cloudpickle takes by value is a setting of the whole process.
_by_value = threading.Lock()


def function_name(function: Callable[..., Any]) -> str:
    """Return what the user calls a function; it may be any object that can be called."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def sendable(function: Callable[..., Any]) -> Any:
    """Return a function as it is sent: one of a user package with its code.

    Engines may have no copy of the package, and would import it by a name that only VisTrails
    makes known.
    """
    try:
        frames = payload.dump(function)
    except Exception as e:
        raise FunctionNotSendable(function_name(function), find_culprit(function), e) from e
    package = sys.modules.get(USER_PACKAGES)
    if package is not None and USER_PACKAGES.encode() in frames[0]:
        import cloudpickle

        with _by_value:
            cloudpickle.register_pickle_by_value(package)
            try:
                frames = [pickler.dumps(function)]
            finally:
                cloudpickle.unregister_pickle_by_value(package)
    return _SentFunction(frames)


def with_constants(
    function: Callable[..., Any], iterables: tuple[Iterable[Any], ...]
) -> tuple[Callable[..., Any], tuple[Iterable[Any], ...]]:
    """Return function and iterables with what ``itertools.repeat`` repeats in the function.

    There it is sent once to each engine, and the number of elements can be known.
    """
    constants = {
        place: next(iterable)
        for place, iterable in enumerate(iterables)
        if isinstance(iterable, itertools.repeat) and _is_endless(iterable)
    }
    if not constants or len(constants) == len(iterables):
        return function, iterables
    rest = tuple(each for place, each in enumerate(iterables) if place not in constants)
    return _WithConstants(function, constants), rest


def _is_endless(repeated: itertools.repeat[Any]) -> bool:
    try:
        repeated.__length_hint__()
    except TypeError:  # which operator.length_hint takes for 0
        return True
    return False


class _WithConstants:
    """A function some of whose arguments are always the same.

    Parameters
    ----------
    function : callable
        The function.
    constants : dict of int to object
        Arguments by their places.
    """

    def __init__(self, function: Callable[..., Any], constants: dict[int, Any]) -> None:
        self._function = function
        self._constants = sorted(constants.items())
        self.__name__ = function_name(function)

    def __call__(self, *arguments: Any) -> Any:
        every = list(arguments)
        for place, value in self._constants:
            every.insert(place, value)
        return self._function(*every)


class _SentFunction:
    """A function on its way, which becomes itself again where it is unpickled.

    Parameters
    ----------
    frames : list of bytes or memoryview
        A `payload.dump` of it.
    """

    def __init__(self, frames: list[payload.Frame]) -> None:
        self._frames = frames

    def __reduce__(self) -> Any:
        rest = map(pickle.PickleBuffer, self._frames[1:])
        return payload.unpack_own, ([self._frames[0], *rest],)
