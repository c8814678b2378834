"""Maps made and changed in a workflow, each change as one version of VisTrails' version tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parallelflow.engine.workflow_results import title
from parallelflow.names import IDENTIFIER
from parallelflow.work.python_value import NO_LITERAL

__all__ = [
    "MapChoice",
    "PortName",
    "choice_of",
    "configure_map",
    "connected",
    "function_of",
    "is_map",
    "is_parallel_map",
    "make_map",
    "maps_of",
    "names_in",
    "ports_of",
    "suggested_choice",
    "switch_maps",
]

CONTROL_FLOW = "org.vistrails.vistrails.control_flow"

#: Where the values of ports are kept that the serial Map does not have, for the way back.
KEPT = "__parallelflow_port_{}__"

#: Where the Map stands beside the module, and what room a module takes, in the scene's units.
BESIDE = (190.0, -70.0)
ROOM = (150.0, 50.0)


@dataclass(frozen=True)
class PortName:
    """A port of a module as the user chooses it.

    Attributes
    ----------
    name : str
        The port.
    type : str
        The types of its values, such as ``Float`` or ``String, Integer``.
    optional : bool
        Whether VisTrails hides the port until it is wanted.
    given : bool
        Whether a connection or a parameter gives it a value.
    """

    name: str
    type: str
    optional: bool = False
    given: bool = False


@dataclass(frozen=True)
class MapChoice:
    """What a user chooses of a Map.

    Attributes
    ----------
    inputs : tuple of str
        The ports that an element, or its parts, go to.
    output : str
        The port whose values are collected; empty for none yet.
    on_error : str
        What happens when an element fails; empty for what the configuration says.
    elements : str
        The list as Python reads it; empty where a connection gives it.
    """

    inputs: tuple[str, ...] = ()
    output: str = ""
    on_error: str = ""
    elements: str = ""


# -- looking -----------------------------------------------------------------------------


def is_map(module: Any) -> bool:
    """Return True if a module of a workflow is a Map, serial or parallel."""
    return module.name == "Map" and module.package in (IDENTIFIER, CONTROL_FLOW)


def is_parallel_map(module: Any) -> bool:
    """Return True if a module of a workflow is Parallel Flow's Map."""
    return bool(is_map(module) and module.package == IDENTIFIER)


def maps_of(pipeline: Any) -> list[Any]:
    """Return the Maps of a workflow, without those inside its Groups."""
    return [module for module in pipeline.module_list if is_map(module)]


def connected(pipeline: Any, module_id: int, port: str) -> list[Any]:
    """Return the modules that are connected to an input port."""
    return [
        pipeline.modules[connection.source.moduleId]
        for connection in pipeline.connections.values()
        if connection.destination.moduleId == module_id and connection.destination.name == port
    ]


def function_of(pipeline: Any, map_id: int) -> Any:
    """Return the module on a Map's FunctionPort, None if there is none; of several, the last."""
    found = connected(pipeline, map_id, "FunctionPort")
    return found[-1] if found else None


def ports_of(pipeline: Any, module: Any) -> tuple[list[PortName], list[PortName]]:
    """Return a module's input and output ports as a user chooses them, hidden ones last.

    Without the output ports that give a module, which a Map cannot collect.
    """
    given = {function.name for function in module.functions}
    given |= {
        c.destination.name
        for c in pipeline.connections.values()
        if c.destination.moduleId == module.id
    }

    def port(spec: Any) -> PortName:
        types = re.sub(r"[\w.]*:|[()]", "", spec.sigstring).replace(",", ", ")
        return PortName(spec.name, types, bool(spec.optional), spec.name in given)

    inputs = [port(spec) for spec in module.destinationPorts()]
    outputs = [port(spec) for spec in module.sourcePorts() if spec.name != "self"]
    return (
        sorted(inputs, key=lambda port: port.optional),
        sorted(outputs, key=lambda port: port.optional),
    )


def suggested_choice(inputs: Sequence[PortName], outputs: Sequence[PortName]) -> MapChoice:
    """Return what a user most probably wants of a module with these ports."""
    shown = [port for port in inputs if not port.optional] or list(inputs)
    free = [port for port in shown if not port.given]
    [only] = free if len(free) == 1 else shown if len(shown) == 1 else [None]
    results = [port for port in outputs if not port.optional] or list(outputs)
    return MapChoice(
        inputs=(only.name,) if only is not None else (),
        output=results[0].name if results else "",
    )


def names_in(text: str) -> tuple[str, ...]:
    """Return the port names of a value of InputPort; quotes may have been forgotten.

    Raises
    ------
    ValueError
        If the text is no list of names even so.
    """
    try:
        value = ast.literal_eval(text.strip() or "[]")
    except NO_LITERAL:
        value = [word.strip(" '\"") for word in text.strip(" []()").split(",") if word.strip()]
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"InputPort is {text}, which is no list of port names")
    return tuple(names)


def choice_of(module: Any) -> MapChoice:
    """Return what the parameters of a Map say.

    Raises
    ------
    ValueError
        If InputPort is no list of names.
    """
    values = {f.name: f.params[0].strValue for f in module.functions if f.params}
    return MapChoice(
        inputs=names_in(values.get("InputPort", "")),
        output=values.get("OutputPort", ""),
        on_error=values.get("OnError", ""),
        elements=values.get("InputList", ""),
    )


# -- changing ----------------------------------------------------------------------------


def make_map(controller: Any, function: Any, choice: MapChoice) -> int:
    """Put a parallel Map beside a module and connect the two.

    Parameters
    ----------
    controller : VistrailController
        Its current workflow is changed.
    function : Module
        The module of the workflow that runs for each element.
    choice : MapChoice
        The Map's parameters.

    Returns
    -------
    int
        The Map's id in the workflow.
    """
    controller.flush_delayed_actions()  # such as moves by the mouse
    function = controller.current_pipeline.modules[function.id]
    x, y = _free_place(controller.current_pipeline, function)
    made = controller.create_module(IDENTIFIER, "Map", x=x, y=y)
    for name, value in _parameters(choice).items():
        if value:
            made.add_function(controller.create_function(made, name, [value]))
    wire = controller.create_connection(function, "self", made, "FunctionPort")
    _perform(controller, [("add", made), ("add", wire)], f"Map over {title(function)}")
    return int(made.id)


def configure_map(controller: Any, module: Any, choice: MapChoice) -> bool:
    """Set a Map's parameters to a choice; return whether that changed anything."""
    controller.flush_delayed_actions()
    module = controller.current_pipeline.modules[module.id]
    ops: list[Any] = []
    here = {function.name: function for function in module.functions}
    for name, value in _parameters(choice).items():
        old = here.get(name)
        if (old.params[0].strValue if old is not None else "") == value:
            continue
        if old is not None:
            ops.append(("delete", old, module.vtType, module.id))
        if value:
            new = controller.create_function(module, name, [value])
            ops.append(("add", new, module.vtType, module.id))
    if ops:
        _perform(controller, ops, "Configured Map")
    return bool(ops)


def switch_maps(controller: Any, modules: Iterable[Any], parallel: bool) -> list[int]:
    """Make Maps parallel, or serial, with their connections, parameters, labels and places.

    Parameters of ports that the serial Map lacks are kept for the way back.

    Parameters
    ----------
    controller : VistrailController
        Its current workflow is changed.
    modules : iterable of Module
        Maps of the workflow; those that are so already stay as they are.
    parallel : bool
        Which they are to be.

    Returns
    -------
    list of int
        The ids of the new Maps.
    """
    controller.flush_delayed_actions()
    pipeline = controller.current_pipeline
    old = [pipeline.modules[m.id] for m in modules if is_parallel_map(m) != parallel]
    if not old:
        return []
    package = IDENTIFIER if parallel else CONTROL_FLOW
    new = {module.id: _twin(controller, module, package) for module in old}
    ops = list(controller.delete_module_list_ops(pipeline, list(new)))
    ops += [("add", module) for module in new.values()]
    for connection in pipeline.connections.values():
        source, destination = connection.source, connection.destination
        ends = source.moduleId, destination.moduleId
        if not new.keys() & set(ends):
            continue
        output, taking = (new.get(end) or pipeline.modules[end] for end in ends)
        if ends[1] in new and not taking.has_port_spec(destination.name, "input"):
            continue  # the serial Map has no such port
        if ends[0] in new and not output.has_port_spec(source.name, "output"):
            continue
        ops.append(
            ("add", controller.create_connection(output, source.name, taking, destination.name))
        )
    kind = "parallel" if parallel else "serial"
    _perform(controller, ops, f"Made Map {kind}" if len(old) == 1 else f"Made all Maps {kind}")
    return [int(module.id) for module in new.values()]


def _twin(controller: Any, old: Any, package: str) -> Any:
    """Return a Map of another package with everything that belongs to an old one."""
    from vistrails.core.vistrail.annotation import Annotation
    from vistrails.core.vistrail.module_control_param import ModuleControlParam

    new = controller.create_module(package, "Map", x=old.location.x, y=old.location.y)
    new.cache = old.cache
    values = {
        function.name: ([p.strValue for p in function.params], [p.alias for p in function.params])
        for function in old.functions
    }
    notes = {note.key: note.value for note in old.annotations}
    ports = {spec.name for spec in new.destinationPorts()}
    for port in ports:
        kept = notes.pop(KEPT.format(port), None)
        if kept is not None:
            values.setdefault(port, ([kept], [""]))
    for name, (texts, aliases) in values.items():
        if name in ports:
            new.add_function(controller.create_function(new, name, texts, aliases))
        else:
            notes[KEPT.format(name)] = texts[0]

    def make(kind: Callable[..., Any], **fields: str) -> Any:
        return kind(id=controller.id_scope.getNewId(kind.vtType), **fields)  # type: ignore[attr-defined]

    for key, value in notes.items():
        new.add_annotation(make(Annotation, key=key, value=value))
    for control in old.control_parameters:
        new.add_control_parameter(make(ModuleControlParam, name=control.name, value=control.value))
    return new


def _parameters(choice: MapChoice) -> dict[str, str]:
    return {
        "InputPort": repr(list(choice.inputs)) if choice.inputs else "",
        "OutputPort": choice.output,
        "OnError": choice.on_error,
        "InputList": choice.elements,
    }


def _free_place(pipeline: Any, module: Any) -> tuple[float, float]:
    """Return where a module fits beside another one."""
    taken = [(m.location.x, m.location.y) for m in pipeline.module_list]
    x, y = module.location.x + BESIDE[0], module.location.y + BESIDE[1]
    while any(abs(x - a) < ROOM[0] and abs(y - b) < ROOM[1] for a, b in taken):
        y -= ROOM[1]
    return x, y


def _perform(controller: Any, ops: list[Any], description: str) -> None:
    """Make a change of the current workflow: one version, which one undo takes back."""
    from vistrails.core.db.action import create_action

    action = create_action(ops)
    controller.add_new_action(action, description)
    controller.perform_action(action)
