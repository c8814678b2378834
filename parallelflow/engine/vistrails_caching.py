"""Some of VisTrails' habits that cost an engine more than small elements do, cut short.

Only on engines, whose registry and sources do not change while they work.
"""

from __future__ import annotations

import builtins
import contextlib
import urllib.parse
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, SimpleNamespace
from typing import Any

__all__ = [
    "apply",
    "first_connector",
    "iterated_ports",
    "plain_value",
    "urllib_remembering",
    "without_import_hook",
]

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
    from vistrails.core.modules.vistrails_module import Module, ModuleConnector
    from vistrails.core.vistrail.port_spec import PortSpec

    basic_modules.exec = _execute
    basic_modules.urllib = urllib_remembering()
    PortSpec.descriptors = _remembering(PortSpec.descriptors)
    Module.set_iterated_ports = iterated_ports(basic_modules.List, basic_modules.Variant)
    Module.useJobCache = _asking_first(Module.useJobCache)
    Module.get_input = first_connector(Module.get_input, basic_modules.List)
    ModuleConnector.__call__ = plain_value(
        ModuleConnector.__call__, (Module, basic_modules.Generator)
    )


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


def urllib_remembering() -> Any:
    """Return what a module finds as ``urllib``, with a memory of texts that were unquoted.

    A PythonSource has its source unquoted at each execution.
    """
    parse = SimpleNamespace(**vars(urllib.parse))
    parse.unquote = lru_cache(MAX_SOURCES)(urllib.parse.unquote)
    return SimpleNamespace(**{**vars(urllib), "parse": parse})


def first_connector(get_input: Any, list_: type) -> Any:
    """Return ``Module.get_input``, which knows once of a port that it takes a single value.

    Then it is the first connector's; VisTrails looks its registry up at each call to see that.
    """

    def takes_one(spec: Any) -> bool:
        known = spec.__dict__.get("_parallelflow_takes_one")
        if known is None:
            kinds = spec.descriptors()
            is_list = len(kinds) == 1 and kinds[0].module is list_
            known = spec.__dict__["_parallelflow_takes_one"] = spec.depth == 0 and not is_list
        return bool(known)

    def first(self: Any, port_name: str, allow_default: bool = True) -> Any:
        connectors = self.inputPorts.get(port_name)
        if connectors and self.list_depth == 0:
            spec = self.input_specs.get(port_name) if self.input_specs else None
            if spec is not None and takes_one(spec):
                return connectors[0]()
        return get_input(self, port_name, allow_default)

    return first


def plain_value(call: Any, others: tuple[type, ...]) -> Any:
    """Return ``ModuleConnector.__call__``, which gives a plain value that is not checked at once.

    Parameters
    ----------
    call : callable
        VisTrails' own.
    others : tuple of type
        Kinds of values with which VisTrails does more.
    """

    def value(self: Any) -> Any:
        if self.typecheck is None and self.obj.list_depth + self.spec.depth <= 0:
            result = self.obj.get_output(self.port)
            if not isinstance(result, others):
                return result
        return call(self)

    return value


def _asking_first(use_job_cache: Any) -> Any:
    """Return ``Module.useJobCache``, which leaves modules that never asked for it at once."""
    from vistrails.core.vistrail.module_control_param import ModuleControlParam

    key = ModuleControlParam.JOB_CACHE_KEY

    def asking_first(self: Any) -> Any:
        return use_job_cache(self) if key in self.control_params else False

    return asking_first
