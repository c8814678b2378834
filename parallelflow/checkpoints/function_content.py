"""What a function of Python is, as a digest: its code and all that it refers to.

A pickle will not do: in a notebook it names the cell, which is another one in each session.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

from .content import feed, new_digest

__all__ = ["function_digest"]


def function_digest(function: Any) -> bytes:
    """Return the digest of a function, a partial, a method or another object to call.

    Raises
    ------
    Exception
        If something that it refers to cannot be pickled.
    """
    digest = new_digest()
    _feed(digest, function, set())
    return bytes(digest.digest())


def _feed(digest: Any, value: Any, seen: set[int]) -> None:
    if isinstance(value, types.FunctionType):
        _feed_function(digest, value, seen)
    elif isinstance(value, functools.partial):
        _feed(digest, value.func, seen)
        for part in (*value.args, *sorted(value.keywords.items())):
            _feed(digest, part, seen)
    elif isinstance(value, types.MethodType):
        _feed(digest, value.__func__, seen)
        _feed(digest, value.__self__, seen)
    elif isinstance(value, types.ModuleType):
        feed(digest, (value.__name__, str(getattr(value, "__version__", ""))))
    elif isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        feed(digest, (type(value).__name__, len(value)))
        for item in value:
            _feed(digest, item, seen)
    elif isinstance(value, type) and _by_name(value.__module__):
        feed(digest, (value.__module__, value.__qualname__))
    elif isinstance(value, type):
        _feed_class(digest, value, seen)
    else:
        feed(digest, value)


def _by_name(module: str | None) -> bool:
    """Return True if what a module has is told by its name; the module's content is compared."""
    return module in sys.modules and module not in ("__main__", "__mp_main__")


def _feed_function(digest: Any, function: types.FunctionType, seen: set[int]) -> None:
    if id(function) in seen:
        return
    seen.add(id(function))
    if _by_name(function.__module__) and "<locals>" not in function.__qualname__:
        feed(digest, (function.__module__, function.__qualname__))
        return
    _feed_code(digest, function.__code__)
    for cell in function.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:  # not yet assigned
            continue
        _feed(digest, content, seen)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            feed(digest, name)
            _feed(digest, function.__globals__[name], seen)
    _feed(digest, function.__defaults__ or (), seen)
    for name, default in sorted((function.__kwdefaults__ or {}).items()):
        feed(digest, name)
        _feed(digest, default, seen)


def _feed_class(digest: Any, found: type, seen: set[int]) -> None:
    if id(found) in seen:
        return
    seen.add(id(found))
    feed(digest, found.__qualname__)
    for base in found.__bases__:
        _feed(digest, base, seen)
    for name, item in sorted(vars(found).items()):
        if isinstance(item, (staticmethod, classmethod)):
            item = item.__func__
        if isinstance(item, types.FunctionType):
            feed(digest, name)
            _feed(digest, item, seen)
        elif type(item) in (int, float, str, bytes, bool, tuple, list, dict) and name[:2] != "__":
            feed(digest, (name, item))


def _feed_code(digest: Any, code: types.CodeType) -> None:
    feed(digest, (code.co_code, code.co_names, code.co_varnames[: code.co_argcount]))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _feed_code(digest, constant)
        else:
            feed(digest, constant)


def _names(code: types.CodeType) -> set[str]:
    """Return the names that a code may look up among the globals."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names
