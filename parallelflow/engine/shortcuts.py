"""Some of VisTrails' habits that cost an engine more than small elements do, cut short.

Only on engines, whose registry and sources do not change while they work.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

__all__ = ["apply", "iterated_ports", "without_import_hook"]

# Sources kept compiled; a function has a few.
MAX_SOURCES = 256

_applied = False


def apply() -> None:
    """Cache compiled sources, and the types and depths of port specs; idempotent."""
    global _applied
    if _applied:
        return
    _applied = True
    from vistrails.core.modules import basic_modules
    from vistrails.core.modules.vistrails_module import Module
    from vistrails.core.vistrail.port_spec import PortSpec

    basic_modules.exec = _execute
    PortSpec.descriptors = _remembering(PortSpec.descriptors)
    Module.set_iterated_ports = iterated_ports(basic_modules.List, basic_modules.Variant)
    Module.useJobCache = _asking_first(Module.useJobCache)


@contextlib.contextmanager
def without_import_hook() -> Iterator[None]:
    """Keep VisTrails' import hook out of the way while elements run.

    It looks at each of the about 18 imports that a module's execution makes inside functions,
    which costs several times what a small element does.
    """
    from vistrails.core.packagemanager import get_package_manager

    hooked = builtins.__import__
    builtins.__import__ = get_package_manager()._orig_import
    try:
        yield
    finally:
        builtins.__import__ = hooked


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


def iterated_ports(list_: type, variant: type) -> Any:
    """Return ``Module.set_iterated_ports``, which looks at two ports' types only once.

    The depth of a value is that of the module it comes from and a number that the ports at both
    ends of the connection fix.
    """

    def fixed_depth(source: Any, destination: Any) -> int:
        ours, theirs = destination.descriptors(), source.descriptors()
        here = ours[0].module if len(ours) == 1 else None
        there = theirs[0].module if len(theirs) == 1 else None
        depth = int(source.depth) - int(destination.depth)
        # A list counts as one more level; but a Variant takes and gives lists as they are.
        depth += (there is list_) - (here is list_)
        return depth - (there is list_ and here is variant) + (there is variant and here is list_)

    def set_iterated_ports(self: Any) -> None:
        found: dict[str, tuple[str, int, Any]] = {}
        specs = self.input_specs
        for port, connectors in self.inputPorts.items() if specs else ():
            destination = specs[port]
            known = destination.__dict__.setdefault("_parallelflow_depths", {})
            for connector in connectors:
                source = connector.spec
                # The spec itself is kept, too, so that its identity stays its own.
                kept = known.get(id(source))
                if kept is None:
                    kept = known[id(source)] = (source, fixed_depth(source, destination))
                depth = connector.obj.list_depth + kept[1]
                if depth > 0 and (port not in found or found[port][1] < depth):
                    found[port] = (port, depth, connector.get_raw())
        self.iterated_ports = [found[p] for p in self.input_specs_order if p in found]

    return set_iterated_ports


def _asking_first(use_job_cache: Any) -> Any:
    """Return ``Module.useJobCache``, which leaves modules that never asked for it at once."""
    from vistrails.core.vistrail.module_control_param import ModuleControlParam

    key = ModuleControlParam.JOB_CACHE_KEY

    def asking_first(self: Any) -> Any:
        return use_job_cache(self) if key in self.control_params else False

    return asking_first
