"""VisTrails' own loops, wrapped so that those that are wanted there run on engines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from vistrails.packages.controlflow.fold import FoldWithModule

from parallelflow.engine.place import on_engine

from .choice import Scope, scope, wish
from .folds import fold_on_engines
from .patches import replaced_method

__all__ = ["activate", "deactivate", "parallel_loops", "parallel_maps"]

_active = contextlib.ExitStack()
_users = 0


def activate() -> None:
    """Wrap VisTrails' loops; each call wants one of `deactivate`.

    On an engine, and in programs that elements start, nothing changes.
    """
    global _users
    _users += 1
    if _users == 1 and not on_engine():
        _active.enter_context(_wrapped_folds())


def deactivate() -> None:
    """Undo `activate`."""
    global _users
    _users = max(_users - 1, 0)
    if _users == 0:
        _active.close()


@contextlib.contextmanager
def _running(wanted: Scope) -> Iterator[None]:
    activate()
    try:
        with scope(wanted):
            yield
    finally:
        deactivate()


def parallel_maps() -> contextlib.AbstractContextManager[None]:
    """Run every Map of Control Flow on the engines while the context is entered."""
    return _running(Scope.MAPS)


def parallel_loops() -> contextlib.AbstractContextManager[None]:
    """Run all of VisTrails' loops that can on the engines while the context is entered."""
    return _running(Scope.ALL)


def _wrapped_folds() -> contextlib.AbstractContextManager[None]:
    serial = FoldWithModule.updateFunctionPort

    def update_function_port(self: Any) -> None:
        if wish(self) is None:
            serial(self)
        else:
            fold_on_engines(self)

    return replaced_method(FoldWithModule, "updateFunctionPort", update_function_port)
