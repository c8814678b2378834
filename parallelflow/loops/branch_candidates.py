"""Which modules of a pipeline may be branches, and what VisTrails does with the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistrails.core.modules.basic_modules import Generator
from vistrails.core.modules.vistrails_module import Module
from vistrails.core.vistrail.module_control_param import ModuleControlParam

from .describe import classes_of

__all__ = [
    "certain_modules",
    "classes_inside",
    "is_ordinary",
    "may_be_branch",
    "sources",
    "streams",
]


def certain_modules(pipeline: Any, objects: Any, sinks: list[int]) -> set[int]:
    """Return what VisTrails executes whatever the values are: nothing that an If may leave out."""
    found, open_ = set(sinks), list(sinks)
    while open_:
        number = open_.pop()
        if number in objects and is_ordinary(objects[number]):
            for source, _ in pipeline.graph.edges_to(number):
                if source not in found:
                    found.add(source)
                    open_.append(source)
    return found & set(objects)


def is_ordinary(module: Any) -> bool:
    """Return True if a module has all that is upstream of it executed, and then itself."""
    kind = type(module)
    return kind.update_upstream is Module.update_upstream and kind.update is Module.update


def may_be_branch(pipeline: Any, number: int, module: Any) -> bool:
    """Return True if a module has no loop, and nothing else that keeps it here."""
    twin = pipeline.modules[number]
    return (
        is_ordinary(module)
        and not module.upToDate
        and module.list_depth == 0
        and not module.is_breakpoint
        # The answer of an exploration's engine.
        and "compute" not in module.__dict__
        and not twin.has_control_parameter_with_name(ModuleControlParam.JOB_CACHE_KEY)
        and not any(
            pipeline.connections[connection].source.name == "self"
            for _, connection in pipeline.graph.edges_from(number)
        )
    )


def sources(module: Any) -> Iterator[Any]:
    """Yield the modules of the pipeline that a module is connected to."""
    for connectors in module.inputPorts.values():
        for connector in connectors:
            # Parameters, and what a Group is given from outside, are modules in no pipeline.
            if getattr(connector.obj, "in_pipeline", False):
                yield connector.obj


def streams(module: Any) -> bool:
    """Return True if an input of a module is a stream."""
    return any(
        isinstance(connector.get_raw(), Generator)
        for connectors in module.inputPorts.values()
        for connector in connectors
    )


def classes_inside(module: Any) -> Iterator[type]:
    """Yield the class of a module that is to run, and of what is inside it."""
    info = module.moduleInfo
    yield from classes_of(info["pipeline"].modules[info["moduleId"]])
