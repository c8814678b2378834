"""Where the modules of a workflow are going to run, as far as that is known before."""

from __future__ import annotations

import enum
from typing import Any

from vistrails.packages.controlflow.fold import FoldWithModule
from vistrails.packages.controlflow.looping import For
from vistrails.packages.controlflow.utils import Map as SerialMap

from .choice import Scope, is_marked, session_scope
from .map import Map

__all__ = ["OnEngines", "expected_on_engines"]


class OnEngines(enum.Enum):
    """Why a module, or its loop, is going to run on engines."""

    ALWAYS = "the user wants this one there"
    IF_WORTH_IT = "it loops, and the user wants all loops there that are worth it"


def expected_on_engines(module: Any) -> OnEngines | None:
    """Return whether a module of a workflow is going to run on engines, None if not.

    Parameters
    ----------
    module : vistrails.core.vistrail.module.Module
        The module as the workflow has it.
    """
    wanted = session_scope()
    try:
        kind: type = module.module_descriptor.module
    except Exception:  # a Group, and a module whose package is missing, have no class
        kind = object
    if is_marked(module) or issubclass(kind, Map):
        return OnEngines.ALWAYS
    if Scope.MAPS in wanted and issubclass(kind, SerialMap):
        return OnEngines.ALWAYS
    loops = issubclass(kind, (FoldWithModule, For)) or getattr(module, "list_depth", 0) > 0
    return OnEngines.IF_WORTH_IT if loops and Scope.WORTH_IT in wanted else None
