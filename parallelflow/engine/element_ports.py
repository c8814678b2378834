"""Where an element goes in and where its values come out: the ports of a function's module."""

from __future__ import annotations

import copy
import hashlib
from base64 import b16decode, b16encode
from typing import Any

from . import payload
from .remote_failure import RemoteFailure, RemoteFailureError
from .spec import NOT_SENT, FunctionSpec

__all__ = ["ElementPorts", "all_outputs", "number_bytes", "refuse_module"]

# Signatures are SHA-1 digests.
SIGNATURE_BYTES = 20


class ElementPorts:
    """Puts elements onto a function's input ports, as ``Module.setInputValues`` does.

    Parameters
    ----------
    spec : FunctionSpec
        What the client knows of the function.
    """

    def __init__(self, spec: FunctionSpec) -> None:
        self._ports = spec.input_ports
        self._list_depth = spec.list_depth
        self._specs: dict[Any, Any] = {}
        self._signature = _mixed_signature(spec)
        self._unmixed = spec.signature
        self._nesting = spec.nesting

    def put(self, module: Any, element: Any, number: int) -> None:
        """Put an element, or its parts, on a module's ports.

        The module's signature becomes the one that VisTrails' own loops give it: the looping
        module's own, the iteration and the last port's name, mixed by exclusive or. Without a
        port it keeps its own. In lists of lists that is so for each list around the element.
        """
        from vistrails.core.modules.basic_modules import NewConstant
        from vistrails.core.modules.vistrails_module import ModuleConnector

        parts = [element] if len(self._ports) < 2 else element
        for part, port in zip(parts, self._ports, strict=False):
            constant = NewConstant()
            constant.setValue(part)
            spec = self._spec_of(module, port, part)
            module.inputPorts[port] = [ModuleConnector(constant, "value", spec)]
        if self._ports:
            mixed = self._signature
            for each in self._nesting.path_of(number) if self._nesting is not None else (number,):
                mixed ^= int.from_bytes(number_bytes(each), "little")
            module.signature = b16encode(mixed.to_bytes(SIGNATURE_BYTES, "little"))
        else:
            module.signature = self._unmixed

    def _spec_of(self, module: Any, port: str, value: Any) -> Any:
        """Return the port spec of a part: the port's own in an implicit loop, else a guess.

        Each is made once: by the port, or by the type of the value.
        """
        if self._list_depth is not None and port in module.input_specs:
            if port not in self._specs:
                spec = self._specs[port] = copy.copy(module.input_specs[port])
                spec.depth += self._list_depth
            return self._specs[port]
        from vistrails.core.modules.basic_modules import get_module
        from vistrails.core.vistrail.port_spec import PortSpec

        key: Any = type(value)
        if isinstance(value, tuple):
            key = (key, len(value))
        if key not in self._specs:
            self._specs[key] = PortSpec(signature=get_module(value))
        return self._specs[key]


def number_bytes(number: int, length: int = SIGNATURE_BYTES) -> bytes:
    """Return an iteration's number as signatures have it; below zero, its complement."""
    return (number % 256**length).to_bytes(length, "little")


def _mixed_signature(spec: FunctionSpec) -> int:
    """Return the loop's signature mixed with the last input ports' names, as an integer."""
    mixed = int.from_bytes(b16decode(spec.signature.upper()), "little")
    outer = spec.nesting.outer_ports if spec.nesting is not None else ()
    for name in (*outer, spec.input_ports[-1] if spec.input_ports else ""):
        mixed ^= int.from_bytes(hashlib.sha1(name.encode()).digest(), "little")
    return mixed


def all_outputs(module: Any, enabled: list[str]) -> dict[str, Any]:
    """Return what a module has put on its output ports, by port.

    Parameters
    ----------
    module : Module
        A module that has run.
    enabled : list of str
        The ports that something is connected to. What is on others and cannot travel is left out:
        `NOT_SENT` stands for it.
    """
    values = {port: value for port, value in module.outputPorts.items() if port != "self"}
    for port, value in values.items():
        if port in enabled:
            refuse_module(port, value)
        elif not _can_travel(value):
            values[port] = NOT_SENT
    return values


def refuse_module(port: str, value: Any) -> None:
    """Raise if a port gives a module: it belongs to its process."""
    from vistrails.core.modules.vistrails_module import Module

    if isinstance(value, Module):
        raise RemoteFailureError(
            RemoteFailure(
                "result",
                "ModuleResult",
                f"the output port {port} gives a module ({type(value).__name__}), which "
                "cannot travel back from an engine: choose a port that gives a value, or use "
                "Control Flow's Map",
            )
        )


def _can_travel(value: Any) -> bool:
    from vistrails.core.modules.vistrails_module import Module

    if value is None or type(value) in (bool, int, float, str):
        return True
    if isinstance(value, Module):
        return False
    try:
        payload.dump(value)
    except Exception:  # of any kind: pickling runs the value's own code
        return False
    return True
