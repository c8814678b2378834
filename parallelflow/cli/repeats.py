"""What of a workflow would run on engines, known before it runs: its loops and its branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from parallelflow.engine.workflow_results import title

from . import peek
from .workflow import pipelines_of

__all__ = ["branch_facts", "branches_of", "facts", "loops_of", "named"]

# Modules that evaluate another one, or a workflow, several times; by package.
_LOOPS = {
    peek.PARALLEL_FLOW: ("Map",),
    peek.CONTROL_FLOW: ("Map", "Filter", "For", "While", "Fold"),
}
_LIST, _VARIANT = "org.vistrails.vistrails.basic:List", "org.vistrails.vistrails.basic:Variant"


def loops_of(pipeline: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the loops of a workflow and of its Groups, each with the pipeline that it is in.

    A module with a list on a port that takes one value is a loop if it is marked.
    """
    for inner, module, depth in _modules(pipeline):
        if _repeats(module) or (_is_marked(module) and depth > 0):
            yield inner, module


def branches_of(pipeline: Any) -> Iterator[Any]:
    """Yield the marked modules that are no loops: they run beside others."""
    for inner, module, depth in _modules(pipeline):
        if _is_marked(module) and not _repeats(module) and not depth:
            functions = {c.sourceId for c in inner.connection_list if c.source.name == "self"}
            if module.id not in functions:  # another module executes those
                yield module


def facts(module: Any) -> dict[str, Any]:
    """Return what a loop is called, and whether the workflow has it run on engines."""
    on_engines = module.package == peek.PARALLEL_FLOW or _is_marked(module)
    return {**branch_facts(module), "on_engines": on_engines}


def branch_facts(module: Any) -> dict[str, Any]:
    """Return what a branch is called."""
    return {"module": module.name, "label": title(module), "package": module.package}


def named(told: Mapping[str, Any]) -> str:
    """Return a module's name with its label, if it has one, by what `branch_facts` returns."""
    label = f" '{told['label']}'" if told["label"] != told["module"] else ""
    return f"{told['module']}{label}"


def _is_marked(module: Any) -> bool:
    from parallelflow.loops.choice import is_marked

    return is_marked(module)


def _repeats(module: Any) -> bool:
    return module.name in _LOOPS.get(module.package, ())


def _modules(pipeline: Any) -> Iterator[tuple[Any, Any, int]]:
    """Yield pipelines, their modules, and the depths of the lists that these iterate over."""
    for inner in pipelines_of(pipeline):
        depths = _depths(inner)
        for module in inner.module_list:
            yield inner, module, depths[module.id]


def _depths(pipeline: Any) -> dict[int, int]:
    """Return what ``Pipeline.mark_list_depth`` finds, also where packages are missing.

    Of ports that only such a package knows the depth is taken for none.
    """
    depths: dict[int, int] = {}
    for number in pipeline.graph.vertices_topological_sort():
        depths[number] = 0
        for source, connection_id in pipeline.graph.edges_to(number):
            connection = pipeline.connections[connection_id]
            depth = depths[source] + _depth(pipeline, connection)
            depths[number] = max(depths[number], depth)
    return depths


def _depth(pipeline: Any, connection: Any) -> int:
    """Return how much deeper the lists are that a connection gives than those that are taken."""
    source, destination = connection.source, connection.destination
    gives, takes = (port.signature.strip("()") for port in (source, destination))
    depth = _own_depth(pipeline, source, "output") - _own_depth(pipeline, destination, "input")
    # A list counts as one more level; but a Variant takes and gives lists as they are.
    if gives == _LIST and takes != _VARIANT:
        depth += 1
    if takes == _LIST and gives != _VARIANT:
        depth -= 1
    return depth


def _own_depth(pipeline: Any, port: Any, kind: str) -> int:
    try:
        return int(pipeline.modules[port.moduleId].get_port_spec(port.name, kind).depth)
    except Exception:  # of a package that is not there, or has no such port any more
        return 0
