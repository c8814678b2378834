"""Small workflows as Python data, run by the real VisTrails, once serially and once in parallel.

`MAP` as a module's package stands for the Map under test: Control Flow's or ours.
"""

from __future__ import annotations

import itertools
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

BASIC = "org.vistrails.vistrails.basic"
CONTROL_FLOW = "org.vistrails.vistrails.control_flow"
PARALLEL_FLOW = "edu.poly.vistrails.parallel_flow"
MAP = "the Map under test"
VARIANT = f"{BASIC}:Variant"

Connection = tuple[int, str, int, str]

TABLE: dict[str, Any] = {}
"""Python objects that a workflow's `constant` gives; they never become text."""


@dataclass(frozen=True)
class Part:
    """A module of a workflow; its id is its position."""

    name: str
    package: str = BASIC
    functions: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    inner: Workflow | None = None
    control: dict[str, str] = field(default_factory=dict)
    cache: bool = True
    namespace: str | None = None
    depth: int = 0  # of the output ports


@dataclass(frozen=True)
class Workflow:
    """Parts and their connections: (source, port, destination, port)."""

    parts: Sequence[Part]
    connections: Sequence[Connection] = ()

    def with_map(self, package: str) -> Workflow:
        """Return the workflow with `MAP` replaced, in Groups too."""
        parts = [
            replace(
                p,
                package=package if p.package == MAP else p.package,
                inner=p.inner.with_map(package) if p.inner else None,
            )
            for p in self.parts
        ]
        return Workflow(parts, self.connections)


def source(
    code: str, inputs: Sequence[str] = ("i",), outputs: Sequence[str] = ("o",), **settings: Any
) -> Part:
    """Return a PythonSource with input and output ports that take anything."""
    return Part(
        "PythonSource",
        functions={"source": urllib.parse.quote(code), **settings.pop("functions", {})},
        inputs=dict.fromkeys(inputs, VARIANT),
        outputs=dict.fromkeys(outputs, VARIANT),
        **settings,
    )


_keys = itertools.count()


def constant(value: Any) -> Part:
    """Return a module whose output port ``o`` gives an object of this process."""
    key = f"value {next(_keys)}"
    TABLE[key] = value
    code = f"from tests.support.workflows import TABLE\no = TABLE[{key!r}]\n"
    return source(code, inputs=())


def map_part(ports: Any = "['i']", output: str = "o", **settings: Any) -> Part:
    """Return the Map under test; its list comes from a connection or from ``InputList``."""
    functions = {"InputPort": ports, "OutputPort": output, **settings.pop("functions", {})}
    return Part("Map", MAP, {k: v for k, v in functions.items() if v is not None}, **settings)


def mapped(function: Part, elements: Any, ports: Any = "['i']", output: str = "o") -> Workflow:
    """Return the plain case: a list (2) into a Map (1) of a function (0)."""
    parts = [function, map_part(ports, output), constant(elements)]
    return Workflow(parts, [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")])


def group(
    parts: Sequence[Part],
    connections: Sequence[Connection],
    inputs: dict[str, tuple[int, str]],
    outputs: dict[str, tuple[int, str]],
    name: str = "Group",
) -> Part:
    """Return a Group (or SubWorkflow) of parts, with its ports given by inner (part, port)."""
    parts, connections = list(parts), list(connections)
    for port, (part, inner_port) in inputs.items():
        parts.append(Part("InputPort", functions={"name": port}))
        connections.append((len(parts) - 1, "InternalPipe", part, inner_port))
    for port, (part, inner_port) in outputs.items():
        parts.append(Part("OutputPort", functions={"name": port}))
        connections.append((part, inner_port, len(parts) - 1, "InternalPipe"))
    return Part(name, inner=Workflow(parts, connections))


# -- VisTrails' objects ------------------------------------------------------------------


def pipeline_of(workflow: Workflow) -> Any:
    """Return VisTrails' pipeline of a workflow."""
    from vistrails.core.vistrail.connection import Connection as VtConnection
    from vistrails.core.vistrail.pipeline import Pipeline
    from vistrails.core.vistrail.port import Port

    pipeline = Pipeline()
    modules = [_module(i, part) for i, part in enumerate(workflow.parts)]
    for module in modules:
        pipeline.add_module(module)
    for i, (src, src_port, dst, dst_port) in enumerate(workflow.connections):
        ends = []
        for j, (kind, number, name) in enumerate(
            [("source", src, src_port), ("destination", dst, dst_port)]
        ):
            spec = modules[number].get_port_spec(name, "output" if j == 0 else "input")
            ends.append(
                Port(id=2 * i + j, type=kind, moduleId=number, name=name, signature=spec.sigstring)
            )
        pipeline.add_connection(VtConnection(id=i, ports=ends))
    return pipeline


def _module(number: int, part: Part) -> Any:
    from vistrails.core.packagemanager import get_package_manager
    from vistrails.core.vistrail.abstraction import Abstraction
    from vistrails.core.vistrail.group import Group
    from vistrails.core.vistrail.module import Module
    from vistrails.core.vistrail.module_control_param import ModuleControlParam
    from vistrails.core.vistrail.port_spec import PortSpec

    common: dict[str, Any] = {"id": number, "cache": 1 if part.cache else 0}
    if part.inner is not None and part.name == "Group":
        module = Group(pipeline=pipeline_of(part.inner), **common)
    elif part.inner is not None:
        descriptor = _subworkflow(part.name, part.inner)
        module = Abstraction(
            name=descriptor.name,
            package=descriptor.identifier,
            namespace=descriptor.namespace,
            version=descriptor.package_version,
            internal_version="1",
            **common,
        )
    else:
        version = get_package_manager().get_package(part.package).version
        module = Module(
            name=part.name,
            package=part.package,
            namespace=part.namespace,
            version=version,
            **common,
        )
    specs = [("input", n, s) for n, s in part.inputs.items()]
    specs += [("output", n, s) for n, s in part.outputs.items()]
    for i, (kind, name, sigstring) in enumerate(specs):
        spec = PortSpec(
            id=i,
            name=name,
            type=kind,
            sigstring=f"({sigstring})",
            sort_key=i,
            depth=part.depth if kind == "output" else 0,
        )
        for j, item in enumerate(spec.port_spec_items):
            item.id = 100 * i + j
        module.add_port_spec(spec)
    for i, (name, value) in enumerate(part.functions.items()):
        module.add_function(_function(module, i, name, value))
    for i, (name, value) in enumerate(part.control.items()):
        module.add_control_parameter(ModuleControlParam(id=i, name=name, value=value))
    return module


def _function(module: Any, number: int, name: str, value: Any) -> Any:
    from vistrails.core.vistrail.module_function import ModuleFunction
    from vistrails.core.vistrail.module_param import ModuleParam

    values = value if isinstance(value, tuple) else (value,)
    items = module.get_port_spec(name, "input").port_spec_items
    parameters = [
        ModuleParam(id=number * 10 + i, pos=i, type=item.descriptor.sigstring, val=str(v))
        for i, (item, v) in enumerate(zip(items, values, strict=True))
    ]
    return ModuleFunction(id=number, pos=number, name=name, parameters=parameters)


def _subworkflow(name: str, inner: Workflow) -> Any:
    """Register a SubWorkflow's class, as opening a vistrail with one does; return it."""
    import vistrails.core.db.action
    from vistrails.core.modules.module_registry import get_module_registry
    from vistrails.core.modules.sub_module import new_abstraction
    from vistrails.core.packagemanager import get_package_manager
    from vistrails.core.vistrail.vistrail import Vistrail

    pipeline = pipeline_of(inner)
    operations = [("add", m) for m in pipeline.module_list]
    operations += [("add", c) for c in pipeline.connection_list]
    vistrail = Vistrail()
    action = vistrails.core.db.action.create_action(operations)
    vistrail.add_action(action, 0)
    vistrail.update_id_scope()
    namespace = f"test-{next(_keys)}"
    vistrail.set_annotation("__abstraction_uuid__", namespace)
    cls = new_abstraction(name, vistrail, f"{name}.vt", action.id, pipeline)
    package = get_package_manager().get_package("local.abstractions")
    registry = get_module_registry()
    settings = {
        "package": package.identifier,
        "package_version": package.version,
        "namespace": namespace,
        "version": "1",
        "hide_namespace": True,
    }
    descriptor = registry.auto_add_module((cls, settings))
    registry.auto_add_ports(cls)
    return descriptor


# -- running -----------------------------------------------------------------------------


@dataclass
class Result:
    """What came of a workflow.

    `errors` holds (class of the module, text) by module id; `log` the shape of the
    execution log, None without one; `raw` is VisTrails' own result; `seconds` the wall time of
    VisTrails' execution alone.
    """

    values: dict[int, Any]
    errors: dict[int, tuple[str, str]]
    executed: dict[int, bool]
    log: Any
    raw: Any
    workflow_exec: Any
    seconds: float


class Progress:
    """A view that notes the progress of each module; raises what it is told to."""

    def __init__(self, stop: Any = None) -> None:
        self.seen: dict[int, list[float]] = {}
        self._stop = stop

    def set_module_progress(self, module: int, progress: float) -> None:
        self.seen.setdefault(module, []).append(progress)
        if self._stop is not None:
            self._stop(module, progress)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def run(workflow: Workflow, package: str, port: str = "Result", **settings: Any) -> Result:
    """Run a workflow with the Map of a package; `values` are of each Map's port."""
    from vistrails.core.interpreter.cached import CachedInterpreter
    from vistrails.core.log.controller import DummyLogController, LogController
    from vistrails.core.log.log import Log

    log = Log()
    logger = LogController(log) if settings.pop("log", True) else DummyLogController
    interpreter = CachedInterpreter.get()
    if settings.pop("flush", True):  # as its flush(), which also collects garbage: 0.1 s
        interpreter.clear()
        interpreter.create()
    pipeline = settings.pop("pipeline", None) or pipeline_of(workflow.with_map(package))
    begin = time.perf_counter()
    raw = interpreter.execute(pipeline, logger=logger, current_version=1, **settings)
    seconds = time.perf_counter() - begin
    values = {
        i: raw.objects[i].outputPorts[port]
        for i in raw.objects
        if port in raw.objects[i].outputPorts and i not in raw.errors
    }
    errors = {i: (type(e.module).__name__, e.msg) for i, e in raw.errors.items()}
    workflow_exec = log.workflow_execs[0] if log.workflow_execs else None
    return Result(
        values,
        errors,
        {i: True for i, done in raw.executed.items() if done},
        shape(workflow_exec) if workflow_exec is not None else None,
        raw,
        workflow_exec,
        seconds,
    )


def forget_results() -> None:
    """Remove what failed runs have left to resume from: a log tells only what is executed anew."""
    from parallelflow.checkpoints import folder
    from parallelflow.loops import resume

    resume.unfinished.clear()
    for kept in folder.list_kept():
        folder.remove(kept)


def shape(item: Any) -> Any:
    """Return the nesting of a log: (type, what, completed, children) without ids and times.

    A loop's own children are what it contains; a Map's identity is left out of its name.
    """
    kind = type(item).__name__
    if kind == "WorkflowExec":
        return (kind, item.completed, [shape(i) for i in item.item_execs])
    if kind == "LoopExec":
        iterations = sorted(item.loop_iterations, key=lambda i: i.iteration)
        return (kind, [shape(i) for i in iterations])
    if kind == "LoopIteration":
        return (kind, item.iteration, item.completed, [shape(i) for i in item.item_execs])
    if kind == "GroupExec":
        what = (item.group_type, item.group_name, item.module_id)
        children = [shape(i) for i in item.item_execs]
    else:
        what = (item.module_name, item.module_id, item.cached)
        children = [shape(i) for i in item.loop_execs]
    return (kind, what, item.completed, item.error, children)
