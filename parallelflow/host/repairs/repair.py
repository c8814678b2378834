"""What a repair is, and functions that repairs share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Repair:
    """One fault of VisTrails on a current system, and its cure at run time.

    Exactly one of ``before``, ``after``, ``around`` and ``instead`` is given: the cure,
    by the moment at which it works. It changes this process only; no file is touched.

    Attributes
    ----------
    name : str
        Short name, unique.
    symptom : str
        What a person saw without it.
    cause : str
        Why.
    affected : str
        The versions of Python, PyQt5 or VisTrails that have the fault.
    modules : tuple of str
        Full names of the modules it belongs to; it is considered at the import of each.
    needed : callable
        Returns whether the fault is present, here and now.
    before : callable or None
        Repairs what the module needs before it is imported.
    after : callable or None
        Repairs the module once it is imported; called with it.
    around : callable or None
        Returns a context that is entered for the module's import only.
    instead : Path or None
        File that is imported in the module's place if no other can be found.
    """

    name: str
    symptom: str
    cause: str
    affected: str
    modules: tuple[str, ...]
    needed: Callable[[], bool]
    before: Callable[[], None] | None = None
    after: Callable[[Any], None] | None = None
    around: Callable[[], AbstractContextManager[None]] | None = None
    instead: Path | None = None


def always() -> bool:
    """Return True: the ``needed`` of a fault that every supported system has."""
    return True


def in_headless_core() -> bool:
    """Return whether the VisTrails of this process is our headless core."""
    core = sys.modules.get("parallelflow.host.core")
    return core is not None and core.is_running()


def imported_module(name: str) -> Any:
    """Return a module that is imported already, without type."""
    return sys.modules[name]


def copy_with_names(module: ModuleType, **names: object) -> ModuleType:
    """Return a copy of a module that has more names.

    A library gets back a name it lost for the one VisTrails module that looks it up,
    and stays as it is for everybody else.

    Parameters
    ----------
    module : module
        The library.
    **names : object
        The names to add or replace.

    Returns
    -------
    module
        A new one.
    """
    copy = ModuleType(module.__name__, module.__doc__)
    vars(copy).update(vars(module))
    vars(copy).update(names)
    return copy
