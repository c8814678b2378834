"""Which of the objects that a function uses cannot be sent."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any

from parallelflow.engine import payload
from parallelflow.engine.remote_failure import short

__all__ = ["find_culprit"]

# An object within an object and so on; below this the outermost one that was found will do.
MAX_DEPTH = 12
# Of a long list, so many items are tried: each costs a pickle.
MAX_ITEMS = 1000


def find_culprit(value: Any) -> tuple[str, str] | None:
    """Return where the innermost object is that cannot be pickled, and what it is.

    Parameters
    ----------
    value : object
        A function, or anything else, that cannot be pickled as a whole.

    Returns
    -------
    tuple of (str, str), or None
        Such as ``("its global variable 'log'", "a TextIOWrapper: <...>")``; None if each of its
        parts can be pickled.
    """
    found = _search(value, "", set(), 0)
    if found is None:
        return None
    place, culprit = found
    name = type(culprit).__name__
    return place, f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name} ({short(culprit)})"


def _search(value: Any, place: str, seen: set[int], depth: int) -> tuple[str, Any] | None:
    if id(value) in seen or depth > MAX_DEPTH:
        return None
    seen.add(id(value))
    for part_place, part in _parts(value, place):
        if not _is_sendable(part):
            return _search(part, part_place, seen, depth + 1) or (part_place, part)
    return None


def _is_sendable(value: Any) -> bool:
    try:
        payload.dump(value)
    except Exception:
        return False
    return True


def _parts(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield what an object is made of, with where it is."""
    of = f" of {place}" if place else ""
    if isinstance(value, types.FunctionType):
        yield from _parts_of_function(value, of)
    elif isinstance(value, types.MethodType):
        yield f"the object{of} that it is a method of", value.__self__
    elif isinstance(value, functools.partial):
        yield f"the function{of}", value.func
        for i, argument in enumerate(value.args):
            yield f"its argument {i}{of}", argument
        for name, argument in value.keywords.items():
            yield f"its argument {name!r}{of}", argument
    elif isinstance(value, Mapping):
        for i, (key, item) in enumerate(value.items()):
            if i < MAX_ITEMS:
                yield f"a key{of}", key
                yield f"the item {short(key)}{of}", item
    elif isinstance(value, (list, tuple, set, frozenset)):
        for i, item in enumerate(value):
            if i < MAX_ITEMS:
                yield f"the item {i}{of}", item
    elif isinstance(value, type):
        for name, item in vars(value).items():
            if name not in ("__dict__", "__weakref__"):
                yield f"the attribute {name!r}{of}", item
    else:
        for name, item in getattr(value, "__dict__", {}).items():
            yield f"the attribute {name!r}{of}", item


def _parts_of_function(function: types.FunctionType, of: str) -> Iterator[tuple[str, Any]]:
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=False):
        try:
            yield f"the variable {name!r}{of or ' around it'}", cell.cell_contents
        except ValueError:  # not yet assigned
            continue
    for name in sorted(_global_names(function.__code__)):
        if name in function.__globals__:
            yield f"the global variable {name!r}{of}", function.__globals__[name]
    for i, default in enumerate(function.__defaults__ or ()):
        yield f"the default value {i}{of}", default
    for name, default in (function.__kwdefaults__ or {}).items():
        yield f"the default value of {name!r}{of}", default
    for name, item in vars(function).items():
        yield f"the attribute {name!r}{of}", item


def _global_names(code: types.CodeType) -> set[str]:
    names = {i.argval for i in dis.get_instructions(code) if "GLOBAL" in i.opname}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names
