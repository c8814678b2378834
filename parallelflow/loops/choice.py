"""What runs on engines: modules marked in the workflow, and loops that the session asks for."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

from vistrails.packages.controlflow.utils import Map as SerialMap

from parallelflow.engine.place import on_engine

__all__ = [
    "KEY",
    "Scope",
    "Wish",
    "is_marked",
    "scope",
    "session_scope",
    "set_session_scope",
    "wish",
]

KEY = "run_on_engines"
"""The control parameter of a module that is marked in the workflow; its value is ``true``."""


class Scope(enum.Flag):
    """What of VisTrails' own loops a session runs on engines.

    The modules that are marked in the workflow, always; with `MAPS` also every Map of Control
    Flow, with `WORTH_IT` also each loop whose elements take longer than sending them.
    """

    MARKED = 0
    MAPS = enum.auto()
    WORTH_IT = enum.auto()


class Wish(enum.Enum):
    """Why a loop runs on engines."""

    MARKED = "the user wants this one there"
    SESSION = "the user wants all there that are worth it"


_scope = Scope.MARKED


def is_marked(module: Any) -> bool:
    """Return True if a module of a workflow is marked there to run on engines.

    Parameters
    ----------
    module : vistrails.core.vistrail.module.Module
        The module as the workflow has it.
    """
    return any(c.name == KEY and c.value.lower() == "true" for c in module.control_parameters)


def session_scope() -> Scope:
    """Return what the session runs on engines."""
    return _scope


def set_session_scope(wanted: Scope) -> None:
    """Set what the session runs on engines, from the next loop on."""
    global _scope
    _scope = wanted


@contextlib.contextmanager
def scope(wanted: Scope) -> Iterator[None]:
    """Set what the session runs on engines while the context is entered."""
    before = _scope
    set_session_scope(wanted)
    try:
        yield
    finally:
        set_session_scope(before)


def wish(module: Any) -> Wish | None:
    """Return why a module that loops runs on engines, None if it does not.

    Parameters
    ----------
    module : Module
        The module, of VisTrails' own or derived from one.
    """
    marked = str(module.control_params.get(KEY, "")).lower() == "true"
    if not (marked or _scope):
        return None
    if on_engine():
        # Inside a function that runs on an engine, and in programs that it starts, there is
        # no cluster to ask for: it may be the one that waits for them.
        return None
    if marked or (Scope.MAPS in _scope and isinstance(module, SerialMap)):
        return Wish.MARKED
    return Wish.SESSION if Scope.WORTH_IT in _scope else None
