"""``__main__`` on an engine: what a function of a script finds there, and its children.

Functions of a script travel by value, and on an engine ``__main__`` is something else. But pickle
looks there for them: in the function (``pickle.dumps``), for `multiprocessing`'s workers, and in
those workers, which import the script again where they are not forked.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["MainFacts", "main_facts", "main_module_of", "main_replaced"]

# How deep functions are looked for in others that wrap them.
MAX_DEPTH = 8


@dataclass(frozen=True)
class MainFacts:
    """How a process found its ``__main__``.

    Attributes
    ----------
    file : str or None
        The script's path; None for a notebook or an interactive session.
    name : str or None
        The module's name, where it was run as ``python -m NAME``.
    """

    file: str | None
    name: str | None


def main_facts() -> MainFacts:
    """Return the facts of this process."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return MainFacts(
        str(Path(file).absolute()) if isinstance(file, str) else None,
        getattr(getattr(main, "__spec__", None), "name", None),
    )


def main_module_of(function: Any, facts: MainFacts) -> types.ModuleType | None:
    """Return a module with what a function knows of its ``__main__``, None if it comes from none.

    Parameters
    ----------
    function : callable
        As it was unpickled here.
    facts : MainFacts
        Of the process that has sent it.
    """
    functions = list(_functions_of(function, 0))
    if not functions:
        return None
    module = types.ModuleType("__main__")
    for each in functions:
        vars(module).update(each.__globals__)
        if "." not in each.__qualname__:
            vars(module).setdefault(each.__name__, each)
    # Of the globals' own, which are an engine's.
    module.__spec__ = None
    vars(module).pop("__file__", None)
    if facts.file is not None and Path(facts.file).is_file():
        module.__file__ = facts.file
        if facts.name is not None:
            module.__spec__ = importlib.machinery.ModuleSpec(facts.name, None)
    return module


@contextlib.contextmanager
def main_replaced(module: types.ModuleType) -> Iterator[None]:
    """Make a module ``__main__`` in this block."""
    outer = sys.modules.get("__main__")
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        if outer is not None:
            sys.modules["__main__"] = outer


def _functions_of(value: Any, depth: int) -> Iterator[types.FunctionType]:
    """Yield the functions of a ``__main__`` in what is called, through what wraps them."""
    if depth > MAX_DEPTH:
        return
    parts: list[Any] = []
    if isinstance(value, types.FunctionType):
        if value.__globals__.get("__name__") == "__main__":
            yield value
        for cell in value.__closure__ or ():
            with contextlib.suppress(ValueError):
                parts.append(cell.cell_contents)
    elif isinstance(value, types.MethodType):
        parts += [value.__func__]
    elif isinstance(value, functools.partial):
        parts += [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, type):
        parts += [f for f in vars(value).values() if isinstance(f, types.FunctionType)]
    elif callable(value):
        parts += [type(value), *getattr(value, "__dict__", {}).values()]
    wrapped = getattr(value, "__wrapped__", None)
    for part in parts if wrapped is None else [*parts, wrapped]:
        if callable(part):
            yield from _functions_of(part, depth + 1)
