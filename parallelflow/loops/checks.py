"""The check of a loop's list before anything runs: the serial Map's, without its cost.

``Module.typeChecking`` of VisTrails asks the configuration and builds a port spec for
each element; here that is done once for each port and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vistrails.core.modules.basic_modules import Generator, get_module
from vistrails.core.modules.vistrails_module import ModuleError

from parallelflow.engine.remote_failure import short

__all__ = ["check_elements", "check_output_port"]


def check_output_port(module: Any, function: Any, port: str) -> None:
    """Check that the function has an output port, before anything runs.

    The serial Map tells so after the first element, in the words with which this begins.

    Parameters
    ----------
    module : FoldWithModule
        The module that loops.
    function : Module
        The module on its FunctionPort.
    port : str
        The name in OutputPort.

    Raises
    ------
    ModuleError
        On the module, with the names of the function's output ports.
    """
    known = function.output_specs
    if not known or port in known or port in function.outputPorts:
        return
    raise ModuleError(
        module,
        f"Invalid output port: {port}\n{type(function).__name__} has no output port of this "
        f"name. Its output ports: {', '.join(sorted(known))}.",
    )


def check_elements(module: Any, function: Any, ports: Sequence[str], elements: Any) -> None:
    """Check a list against the function's input ports, as the serial Map does.

    Lengths and kinds are always checked; types only of ports for which the user's
    configuration wants it (VisTrails' ``showConnectionErrors``, ``showVariantErrors``).

    Parameters
    ----------
    module : FoldWithModule
        The module that loops.
    function : Module
        The module on its FunctionPort.
    ports : sequence of str
        The names in InputPort.
    elements : iterable
        The list; of several names, each element is a sequence of their length.

    Raises
    ------
    ModuleError
        On the module, with the serial Map's text.
    """
    if not function.input_specs:
        return
    for port in ports:
        if port not in function.input_specs:
            known = ", ".join(sorted(function.input_specs)) or "none"
            raise ModuleError(
                module,
                f"Uncaught exception: KeyError: {port!r}\n{type(function).__name__} has no "
                f"input port of this name. Its input ports: {known}.",
            )
    checks = [_PortCheck(module, function.input_specs[port], port) for port in ports]
    passed = checks[0].known if len(checks) == 1 else {}
    for index, element in enumerate(elements):
        if type(element) in passed:
            continue
        try:
            _check_element(module, element, checks)
        except (ModuleError, TypeError) as e:  # the serial Map does not say which element it was
            told = e.msg if isinstance(e, ModuleError) else f"Uncaught exception: TypeError: {e}"
            raise ModuleError(
                module,
                f"{told}\nElement {index} (the first is 0) is {short(element)}, of type "
                f"{type(element).__name__}; InputPort names {', '.join(ports)}.",
            ) from e


def _check_element(module: Any, element: Any, checks: Sequence[_PortCheck]) -> None:
    if len(checks) == 1:
        checks[0].check(element)
        return
    if len(element) != len(checks):
        raise ModuleError(module, "The number of input values and input ports are not the same.")
    for part, check in zip(element, checks, strict=True):
        if not check.check(part):
            break  # as typeChecking does: the element's other parts go unchecked


class _PortCheck:
    """The check of one input port, made once for each type of value.

    Attributes
    ----------
    known : dict of type to bool
        The types that have passed, with whether they are checked at all.
    """

    def __init__(self, module: Any, spec: Any, port: str) -> None:
        self._module = module
        self._spec = spec
        self._port = port
        self._wanted = False not in module.get_type_checks(spec)
        self.known: dict[type, bool] = {}

    def check(self, value: Any) -> bool:
        """Check a value; return False if its type is not to be checked, nor those after it."""
        kind = type(value)
        checked = self.known.get(kind)
        if checked is None:
            checked = self._check(value)
            if kind is not tuple:  # the types of a tuple's items count, too
                self.known[kind] = checked
        return checked

    def _check(self, value: Any) -> bool:
        if isinstance(value, Generator):
            raise ModuleError(self._module, "Generator is not allowed here")
        if not self._wanted:
            return False
        kind = get_module(value, self._spec.signature)
        if kind is None:  # VisTrails cannot tell, and says so in its messages
            return False
        if not self._module.compare(self._spec, kind, self._port):
            raise ModuleError(
                self._module,
                "The type of a list element does not match with the type of the "
                f"port {self._port}.",
            )
        return True
