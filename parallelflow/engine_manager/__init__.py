"""The engine manager: one owner of controllers and engines, for an IPython profile.

Names are loaded when first used: the guard process lives in this folder and
needs neither ipyparallel nor zmq.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .manager import EngineManager, State, get_manager

__all__ = ["EngineManager", "State", "get_manager"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import manager

        return getattr(manager, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
