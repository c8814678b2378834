"""What comes out at the end of a workflow: the values of its last modules, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .file_names import written_files

__all__ = ["UNCAUGHT", "failure_text", "label", "module_results", "named", "outputs", "title"]

UNCAUGHT = "Uncaught exception: "
"""How VisTrails begins the message of an exception that a module did not mean to raise."""

AS_STRING = "value_as_string"
"""The second output port of VisTrails' constants."""


def outputs(pipeline: Any, objects: Mapping[int, Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each output port of the modules that nothing is connected to.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow that was run.
    objects : mapping
        Module object by module id, as VisTrails' interpreter returns them.

    Yields
    ------
    (str, object)
        Such as ``Map.Result``, in the order of the modules' ids; of an OutputPort, its own name.
    """
    for number in sorted(pipeline.graph.sinks()):
        computed = objects.get(number)
        if computed is not None:
            yield from _outputs(pipeline.modules[number], computed)


def module_results(pipeline: Any, objects: Mapping[int, Any]) -> Iterator[tuple[int, str, Any]]:
    """Yield id, name and value of each result of the modules that nothing is connected to.

    That are their outputs. Of a module that has none, such as StandardOutput, that is what it was
    given by its connections, under the module's name.
    """
    for number in sorted(pipeline.graph.sinks()):
        computed, module = objects.get(number), pipeline.modules[number]
        if computed is None:
            continue
        for name, value in _results(module, computed):
            yield number, name, value


def _results(module: Any, computed: Any) -> list[tuple[str, Any]]:
    """Return names and values of a module's results, as a table has them."""
    found = list(_outputs(module, computed))
    if any(name.endswith(f".{AS_STRING}") for name, _ in found):  # a constant: it is its value
        return [(title(module), value) for name, value in found if name.endswith(".value")]
    return found or list(_inputs(module, computed))


def title(module: Any) -> str:
    """Return what the user calls a module: its label, or its name."""
    return label(module) or str(module.name)


def label(module: Any) -> str:
    """Return what the user has written under a module's name; empty if nothing."""
    if module.has_annotation_with_key("__desc__"):
        return str(module.get_annotation_by_key("__desc__").value).strip()
    return ""


def named(module: Any, number: int) -> str:
    """Return a module's name, label and id, as messages have it; None stands for an unknown one."""
    if module is None:
        return f"module {number}"
    words = label(module)
    quoted = f' "{words}"' if words else ""
    return f"module {module.name}{quoted} (id {number})"


def failure_text(pipeline: Any, errors: Mapping[int, Any]) -> str:
    """Return in one line which modules of a workflow have failed, and why.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow that was run.
    errors : mapping
        VisTrails' ModuleError by module id.
    """
    return "; ".join(
        f"{named(pipeline.modules.get(number), number)} failed: "
        f"{' '.join(str(error.msg).removeprefix(UNCAUGHT).split())}"
        for number, error in sorted(errors.items())
    )


def _outputs(module: Any, computed: Any) -> Iterator[tuple[str, Any]]:
    if module.name == "OutputPort":
        name, ports = _function_value(module, "name"), ["ExternalPipe"]
    else:
        name, ports = None, sorted(computed.outputPorts)
    for port in ports:
        value = computed.outputPorts.get(port)
        # `self` is the module; None stands for a port that was not set.
        if port == "self" or value is None or _is_invalid(value):
            continue
        # Such as a Map's Failures, of which there are mostly none.
        if not (_is_optional(computed, port) and isinstance(value, list) and not value):
            yield name or f"{title(module)}.{port}", value


def _is_optional(computed: Any, port: str) -> bool:
    spec = computed.output_specs.get(port)
    return spec is not None and bool(spec.optional)


def _inputs(module: Any, computed: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a module without outputs has written: files by name, else what it was given."""
    files = written_files(computed) or _output_paths(computed)
    if files:
        yield title(module), files[0] if len(files) == 1 else files
        return
    connected = [
        port
        for port, connectors in sorted(computed.inputPorts.items())
        if any(connector not in computed.is_method for connector in connectors)
    ]
    for port in connected:
        values = [connector() for connector in computed.inputPorts[port]]
        if not any(map(_is_invalid, values)):
            name = title(module) if len(connected) == 1 else f"{title(module)}.{port}"
            yield name, values[0] if len(values) == 1 else values


def _output_paths(computed: Any) -> list[str]:
    specs = computed.input_specs.values()
    ports = [spec.name for spec in specs if spec.sigstring.endswith(":OutputPath)")]
    return [str(computed.get_input(p).name) for p in ports if computed.has_input(p)]


def _function_value(module: Any, port: str) -> str | None:
    for function in module.functions:
        if function.name == port and function.params:
            return str(function.params[0].strValue)
    return None


def _is_invalid(value: object) -> bool:
    from vistrails.core.modules.vistrails_module import InvalidOutput, Module

    return value is InvalidOutput or isinstance(value, Module)
