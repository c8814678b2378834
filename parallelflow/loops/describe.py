"""What travels to the engines: a loop's function, its inputs, packages and configuration."""

from __future__ import annotations

import contextlib
import pickle
import platform
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from vistrails.core.modules.vistrails_module import Module
from vistrails.core.packagemanager import get_package_manager
from vistrails.core.vistrail.annotation import Annotation
from vistrails.core.vistrail.group import Group
from vistrails.core.vistrail.pipeline import Pipeline

import parallelflow
from parallelflow.engine.nesting import Nesting
from parallelflow.engine.spec import SUBWORKFLOW_KEY, FunctionSpec, PackageNeed, PortValue
from parallelflow.host import configuration
from parallelflow.host.entity_xml import to_xml

from .package_needs import package_needs

__all__ = [
    "classes_of",
    "copy_to_send",
    "describe",
    "module_classes",
    "modules_to_send",
    "packages_of",
    "user_packages_folder",
]

# What moduleInfo holds beyond these belongs to the client's session: objects of its
# window and of its job monitor.
INFO_KEYS = ("locator", "vistrailName", "version", "reason", "extra_info", "actions")


def describe(
    module: Any,
    functions: Sequence[Any],
    input_ports: Sequence[str],
    output_port: str | None,
    *,
    log: bool,
    list_depth: int | None = None,
    first: int = 0,
    nesting: Nesting | None = None,
) -> FunctionSpec:
    """Describe the modules that a loop evaluates for each element.

    Parameters
    ----------
    module : Module
        The module that loops.
    functions : sequence of Module
        The modules that it evaluates, in the order of their connections; what is upstream of
        them has been computed.
    input_ports : sequence of str
        The ports that take an element or its parts.
    output_port : str or None
        The port that gives the result; None if the result is a dict of all output ports.
    log : bool
        Whether engines are to record the elements' executions.
    list_depth : int or None
        See `FunctionSpec`.
    first : int
        The number of the first iteration.
    nesting : Nesting, optional
        The lists around the elements.

    Returns
    -------
    FunctionSpec
        What travels to the engines.
    """
    sent = modules_to_send(functions, input_ports)
    pipeline = _pipeline(sent)
    values = list(_values(sent, functions, input_ports))
    return FunctionSpec(
        pipeline=to_xml(pipeline),
        functions=[_id(f) for f in functions],
        values=values,
        outputs={_id(t): [p for p in t.outputPorts if p != "self"] for t in sent},
        packages=packages_of([pipeline], values),
        configuration=configuration.session_values(),
        user_packages=user_packages_folder(),
        input_ports=list(input_ports),
        output_port=output_port,
        signature=_signature(module if input_ports else functions[0]),
        info=_info(functions[0]),
        log=log,
        host=socket.gethostname(),
        versions={"parallelflow": parallelflow.version, "python": platform.python_version()},
        list_depth=list_depth,
        first=first,
        nesting=nesting,
    )


def _id(module: Any) -> int:
    return int(module.moduleInfo["moduleId"])


def _signature(module: Any) -> str:
    signature = module.signature or "0" * 40
    return signature.decode() if isinstance(signature, bytes) else str(signature)


def _inputs(module: Any, replaced: Iterable[str]) -> Iterable[tuple[str, Any]]:
    """Yield (port, connector) of what a module is connected to.

    Parameters set in the module's own functions are left out: they travel with it.
    """
    for port, connectors in module.inputPorts.items():
        if port not in replaced:
            for connector in connectors:
                if connector not in module.is_method:
                    yield port, connector


def _needs_module(connector: Any) -> bool:
    """Return True if what a connector gives is a module, or has yet to be computed."""
    source = connector.obj
    if not isinstance(source, Module) or "pipeline" not in source.moduleInfo:
        return False
    value = source.get_output(connector.port)
    if isinstance(value, Module) and (connector.port == "self" or value is source):
        return True  # another one, that it has made, is a value as any other
    return not (source.computed or source.upToDate)


def modules_to_send(functions: Sequence[Any], input_ports: Sequence[str]) -> list[Any]:
    """Return the functions and the modules they take as modules, each once.

    Parameters
    ----------
    functions : sequence of Module
        The modules that the loop evaluates.
    input_ports : sequence of str
        The ports that take an element; what they are connected to is replaced.

    Returns
    -------
    list of Module
        The functions, each followed by the modules it takes.
    """
    found: list[Any] = []

    def visit(module: Any, replaced: Iterable[str]) -> None:
        if not any(module is t for t in found):
            found.append(module)
            for _, connector in _inputs(module, replaced):
                if _needs_module(connector):
                    visit(connector.obj, ())

    for function in functions:
        visit(function, input_ports)
    return found


def module_classes(modules: Iterable[Any]) -> list[type]:
    """Return the classes of modules, and of all that is inside their Groups and SubWorkflows.

    Parameters
    ----------
    modules : iterable of Module
        As `modules_to_send` returns them.
    """
    return [
        found
        for module in modules
        for found in classes_of(module.moduleInfo["pipeline"].modules[_id(module)])
    ]


def classes_of(module: Any) -> Iterable[type]:
    """Yield the class of a pipeline's module, and those of all that is inside it.

    Parameters
    ----------
    module : vistrails.core.vistrail.module.Module
        The module.
    """
    with contextlib.suppress(Exception):  # a Group has none of its own
        yield module.module_descriptor.module
    if module.is_group() or module.is_abstraction():
        for member in module.pipeline.module_list:
            yield from classes_of(member)


def _pipeline(sent: Sequence[Any]) -> Pipeline:
    """Return a pipeline of the modules that are sent and the connections among them."""
    whole = sent[0].moduleInfo["pipeline"]
    ids = {_id(t) for t in sent}
    result = Pipeline()
    for module_id in sorted(ids):
        result.add_module(copy_to_send(whole.modules[module_id]))
    for connection in whole.connection_list:
        if {connection.sourceId, connection.destinationId} <= ids:
            source = next(t for t in sent if _id(t) == connection.sourceId)
            if connection.source.name == "self" or not (source.computed or source.upToDate):
                result.add_connection(connection.do_copy())
    return result


def copy_to_send(module: Any) -> Any:
    """Return a copy of a pipeline's module in which SubWorkflows are replaced by Groups.

    A SubWorkflow is a class made from a file of the user's; a Group holds its pipeline.

    Parameters
    ----------
    module : vistrails.core.vistrail.module.Module
        The module; it is not changed.
    """
    if module.is_abstraction():
        copy = Group(
            id=module.id,
            cache=module.cache,
            location=module.location.do_copy(),
            functions=[f.do_copy() for f in module.functions],
            annotations=[a.do_copy() for a in module.annotations],
            controlParameters=[c.do_copy() for c in module.control_parameters],
        )
        copy.pipeline = module.pipeline.do_copy()
        new_id = 1 + max((a.id for a in copy.annotations), default=0)
        copy.add_annotation(Annotation(id=new_id, key=SUBWORKFLOW_KEY, value=module.name))
    else:
        copy = module.do_copy()
    if copy.is_group():
        inner = copy.pipeline
        inner.id = None
        for member in list(inner.module_list):
            if member.is_group() or member.is_abstraction():
                inner.db_change_module(copy_to_send(member))
    return copy


def _values(
    sent: Sequence[Any], functions: Sequence[Any], input_ports: Sequence[str]
) -> Iterable[PortValue]:
    """Yield what the client has computed for their inputs."""
    for module in sent:
        replaced = input_ports if any(module is f for f in functions) else ()
        for port, connector in _inputs(module, replaced):
            if _needs_module(connector):
                continue
            # get_input_list looks behind an InputPort in the same way.
            behind = getattr(connector.obj, "inputPorts", {}).get("ExternalPipe")
            for source in behind or [connector]:
                yield PortValue(
                    module=_id(module),
                    port=port,
                    value=source(),
                    sigstring=source.spec.sigstring if source.spec is not None else None,
                    depth=source.spec.depth if source.spec is not None else 0,
                    list_depth=getattr(source.obj, "list_depth", 0),
                )


def _modules(pipeline: Any) -> Iterable[Any]:
    """Yield the modules of a pipeline and of its Groups."""
    for module in pipeline.module_list:
        yield module
        if module.is_group():
            yield from _modules(module.pipeline)


def packages_of(pipelines: Iterable[Any], values: Sequence[PortValue] = ()) -> list[PackageNeed]:
    """Return the packages of pipelines' modules and of values' types.

    Parameters
    ----------
    pipelines : iterable of Pipeline
        The pipelines.
    values : sequence of PortValue
        What the client has computed for their inputs.
    """
    identifiers = {m.package for pipeline in pipelines for m in _modules(pipeline)}
    for value in values:
        for part in (value.sigstring or "").strip("()").split(","):
            identifiers.add(part.partition(":")[0])
    return package_needs(sorted(identifiers))


def user_packages_folder() -> str | None:
    """Return the folder of the packages that the user has written, None if there is none."""
    package = get_package_manager()._userpackages
    return next(iter(package.__path__), None) if package is not None else None


def _info(function: Any) -> dict[str, Any]:
    """Return what of moduleInfo can travel."""
    info = {}
    for key in INFO_KEYS:
        if key in function.moduleInfo:
            value = function.moduleInfo[key]
            try:
                pickle.dumps(value)
            except Exception:
                continue
            info[key] = value
    return info
