"""The arguments of `parallelflow.api.parallel_map`, checked before anything is run."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Iterator, Mapping, MappingView, Sequence, Set, Sized
from decimal import Decimal
from typing import Any

from parallelflow.engine.remote_failure import short
from parallelflow.system.memory import total_memory

__all__ = [
    "Zipped", "check_callables",
    "checkpoint_name", "element_count", "seconds", "time_limit", "whole_number", "zipped",
]  # fmt: skip

# What has as many items as its length says.
COUNTED = (Sequence, Set, Mapping, MappingView)
# A list has one pointer for each value; the values themselves take more.
POINTER_BYTES = 8


class Zipped:
    """The tuples of several iterables of known length.

    Parameters
    ----------
    iterables : tuple of iterable
        What `element_count` knows the length of.
    total : int
        The number of tuples.
    """

    def __init__(self, iterables: tuple[Iterable[Any], ...], total: int) -> None:
        self._iterables = iterables
        self._total = total

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self._iterables, strict=False)


def zipped(iterables: tuple[Iterable[Any], ...], total: int | None) -> Iterable[tuple[Any, ...]]:
    """Return the tuples of the iterables' items.

    Parameters
    ----------
    iterables : tuple of iterable
        At least one.
    total : int or None
        The number of tuples; None if it is not known.

    Raises
    ------
    TypeError
        If one of them cannot be iterated over.
    """
    if total is not None:
        return Zipped(iterables, total)
    iterators = []
    for number, iterable in enumerate(iterables, 1):
        try:
            iterators.append(iter(iterable))
        except TypeError as e:
            raise TypeError(
                f"parallel_map() cannot iterate over iterable {number}, {short(iterable)}: {e}"
            ) from e
    return zip(*iterators, strict=False)


def element_count(iterables: tuple[Iterable[Any], ...]) -> int | None:
    """Return the number of elements, None if it is not certain.

    A length need not be the number of items: that of a table may be its rows, of which it has
    as many items as columns.

    Raises
    ------
    ValueError
        If the list of their values would not fit into this machine's memory.
    """
    if not all(isinstance(iterable, COUNTED) or _is_array(iterable) for iterable in iterables):
        return None
    lengths = []
    for iterable in iterables:
        try:
            if isinstance(iterable, Sized):
                lengths.append(len(iterable))
        except TypeError:  # an array of no dimensions
            return None
        except OverflowError:  # longer than Python counts
            lengths.append(_range_length(iterable) if isinstance(iterable, range) else sys.maxsize)
    total = min(lengths)
    memory = total_memory()
    if total * POINTER_BYTES > memory:
        count = _rounded(total)
        raise ValueError(
            f"parallel_map() returns a list with a value for each element: one of {count} "
            f"values does not fit into this machine's memory of {memory / 1e9:.0f} GB. Call it "
            "for a part of the elements at a time."
        )
    return total


def _range_length(numbers: range) -> int:
    return max(0, -((numbers.start - numbers.stop) // numbers.step))


def _rounded(number: int) -> str:
    return f"{number:.3g}" if number < 10**300 else f"{Decimal(number):.2e}"


def _is_array(iterable: object) -> bool:
    return type(iterable).__module__ == "numpy" and hasattr(iterable, "ndim")


def check_callables(caller: str, function: object, progress: object = None) -> None:
    """Raise TypeError unless the caller's function, and `progress` if given, can be called."""
    if not callable(function):
        raise TypeError(f"{caller}() needs a function to call, not {short(function)}")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function to call, not {short(progress)}")


def whole_number(name: str, value: object, least: int = 1) -> int | None:
    """Return a whole number, None if it is not given.

    Parameters
    ----------
    name : str
        The argument's name.
    value : object
        What was given: an int, or what stands for one, such as numpy's.
    least : int
        The smallest one that makes sense.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is below that.
    """
    if value is None:
        return None
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    # True is 1 to Python, and a mistake for whoever writes it here.
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {short(value)}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {short(number)}")
    return number


def checkpoint_name(name: object, total: int | None) -> str:
    """Return the name of a checkpoint.

    Parameters
    ----------
    name : object
        What was given as ``checkpoint``.
    total : int or None
        The number of elements; None if it is not known.

    Raises
    ------
    TypeError, ValueError
        If it is no name, or the number of elements is not known.
    """
    if not isinstance(name, str):
        raise TypeError(f"checkpoint must be a name, not {short(name)}")
    if not name.strip() or not name.isprintable():
        raise ValueError(f"checkpoint must be a name, not {short(name)}")
    if total is None:
        raise ValueError("a checkpoint needs iterables whose lengths are known, such as lists")
    return name


def time_limit(value: object) -> float | None:
    """Return an element's time limit in seconds, None if there is none.

    Parameters
    ----------
    value : object
        What was given as ``element_timeout``.

    Raises
    ------
    TypeError, ValueError
        If it is no number of seconds above 0.
    """
    limit = seconds("element_timeout", value)
    if limit is not None and limit <= 0:
        raise ValueError(f"element_timeout must be more than 0, not {short(value)}")
    return None if limit == math.inf else limit


def seconds(name: str, value: object) -> float | None:
    """Return a time limit in seconds, None if there is none; 0 or less has passed already.

    Parameters
    ----------
    name : str
        What the argument is called.
    value : object
        What was given.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is not a number (NaN).
    """
    if value is None:
        return None
    number = math.nan
    if not isinstance(value, (bool, str, bytes, bytearray)):  # float() reads text, too
        try:
            number = float(value)  # type: ignore[arg-type]
        except OverflowError:  # an int of 400 digits
            number = math.inf if value > 0 else -math.inf  # type: ignore[operator]
        except (TypeError, ValueError):
            pass
    if not math.isnan(number):
        return number
    if isinstance(value, float):
        raise ValueError(f"{name} must be a number of seconds, not {short(value)}")
    raise TypeError(f"{name} must be a number of seconds, not {short(value)}")
