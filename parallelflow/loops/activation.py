"""VisTrails' own loops and executions, wrapped so that what is wanted there runs on engines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from vistrails.core.interpreter.cached import CachedInterpreter
from vistrails.core.modules.vistrails_module import Module
from vistrails.packages.controlflow.fold import FoldWithModule
from vistrails.packages.controlflow.looping import For

from parallelflow.engine.place import on_engine

from .branched_execution import with_branches
from .choice import Scope, Wish, scope, wish
from .describe import modules_to_send
from .folds import fold_on_engines
from .lists import iterate_on_engines
from .patches import replaced_method
from .ranges import count_on_engines
from .stays import belongs_here

__all__ = ["activate", "deactivate", "running"]

_active = contextlib.ExitStack()
_users = 0


def activate() -> None:
    """Wrap VisTrails' loops and executions; each call wants one of `deactivate`.

    On an engine, and in programs that elements start, nothing changes.
    """
    global _users
    _users += 1
    if _users == 1 and not on_engine():
        _active.enter_context(_wrapped_folds())
        _active.enter_context(_wrapped_lists())
        _active.enter_context(_wrapped_ranges())
        execute = with_branches(CachedInterpreter.execute_pipeline)
        _active.enter_context(replaced_method(CachedInterpreter, "execute_pipeline", execute))


def deactivate() -> None:
    """Undo `activate`."""
    global _users
    _users = max(_users - 1, 0)
    if _users == 0:
        _active.close()


@contextlib.contextmanager
def running(wanted: Scope) -> Iterator[None]:
    """Run loops on the engines while the context is entered.

    Parameters
    ----------
    wanted : Scope
        Which, beside those that are marked.
    """
    activate()
    try:
        with scope(wanted):
            yield
    finally:
        deactivate()


def _wrapped_folds() -> contextlib.AbstractContextManager[None]:
    serial = FoldWithModule.updateFunctionPort

    def update_function_port(self: Any) -> None:
        why = wish(self)
        if why is None or (why is Wish.SESSION and _stays(_functions(self), ())):
            serial(self)
        else:
            fold_on_engines(self, why=why)

    return replaced_method(FoldWithModule, "updateFunctionPort", update_function_port)


def _wrapped_lists() -> contextlib.AbstractContextManager[None]:
    serial = Module.compute_all

    def compute_all(self: Any) -> None:
        why = wish(self)
        if why is None or _stays([self], [port for port, _, _ in self.iterated_ports]):
            serial(self)
        else:
            iterate_on_engines(self, serial, why)

    return replaced_method(Module, "compute_all", compute_all)


def _wrapped_ranges() -> contextlib.AbstractContextManager[None]:
    serial = For.compute

    def compute(self: Any) -> None:
        why = wish(self)
        if why is None or _stays(_functions(self), ()):
            serial(self)
        else:
            count_on_engines(self, serial, why)

    return replaced_method(For, "compute", compute)


def _functions(fold: Any) -> list[Any]:
    return [connector.obj for connector in fold.inputPorts.get("FunctionPort", ())]


def _stays(functions: list[Any], ports: Sequence[str]) -> bool:
    # A module that is in no pipeline, as other packages make some, cannot be described.
    in_pipeline = all(f.moduleInfo.get("pipeline") is not None for f in functions)
    return not in_pipeline or belongs_here(modules_to_send(functions, ports))
