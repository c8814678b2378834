"""Which loops run on engines: those marked in the workflow, and those that the session asks for."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

from vistrails.packages.controlflow.utils import Map as SerialMap

from parallelflow.engine.place import on_engine

__all__ = ["KEY", "Scope", "Wish", "scope", "session_scope", "set_session_scope", "wish"]

KEY = "run_on_engines"
"""The control parameter of a module that is marked in the workflow; its value is ``true``."""


class Scope(enum.Enum):
    """What of VisTrails' own loops a session runs on engines."""

    MARKED = "the modules that are marked in the workflow"
    MAPS = "these, and every Map of Control Flow"
    ALL = "all loops that can"


class Wish(enum.Enum):
    """Why a loop runs on engines."""

    MARKED = "the user wants this one there"
    SESSION = "the user wants all there that are worth it"


_scope = Scope.MARKED


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
    if not marked and _scope is Scope.MARKED:
        return None
    if on_engine():
        # Inside a function that runs on an engine, and in programs that it starts, there is
        # no cluster to ask for: it may be the one that waits for them.
        return None
    if marked or (_scope is Scope.MAPS and isinstance(module, SerialMap)):
        return Wish.MARKED
    return Wish.SESSION if _scope is Scope.ALL else None
