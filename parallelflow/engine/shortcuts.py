"""Two of VisTrails' habits that cost an engine more than small elements do, cut short.

Only on engines, whose registry and sources do not change while they work.
"""

from __future__ import annotations

import builtins
from functools import lru_cache
from types import CodeType
from typing import Any

__all__ = ["apply"]

# Sources kept compiled; a function has a few.
MAX_SOURCES = 256

_applied = False


def apply() -> None:
    """Have sources compiled once and port specs look up their types once; idempotent."""
    global _applied
    if _applied:
        return
    _applied = True
    from vistrails.core.modules import basic_modules
    from vistrails.core.vistrail.port_spec import PortSpec

    basic_modules.exec = _execute
    PortSpec.descriptors = _remembering(PortSpec.descriptors)


@lru_cache(MAX_SOURCES)
def _compiled(source: str) -> CodeType:
    return compile(source, "<string>", "exec", dont_inherit=True)


def _execute(source: Any, *namespaces: Any) -> None:
    """Do what ``exec`` does; a PythonSource's text is compiled only the first time."""
    builtins.exec(_compiled(source) if type(source) is str else source, *namespaces)


def _remembering(descriptors: Any) -> Any:
    """Return ``PortSpec.descriptors`` with a memory; a dozen calls are made for each module."""

    def remembering(self: Any) -> Any:
        known = self.__dict__.get("_parallelflow_descriptors")
        if known is None or len(known) != len(self.port_spec_items):
            known = self.__dict__["_parallelflow_descriptors"] = descriptors(self)
        return known

    return remembering
