"""One element in this process, as VisTrails' folds with a function evaluate it."""

from __future__ import annotations

import copy
from typing import Any

from vistrails.core.modules.vistrails_module import ModuleError

from .loop import Loop

__all__ = ["evaluate_in_session"]


def evaluate_in_session(loop: Loop, index: int) -> Any:
    """Run the modules on a loop's FunctionPort for one element; return the last one's value.

    Parameters
    ----------
    loop : Loop
        The loop; its module is a FoldWithModule.
    index : int
        The element's index.

    Raises
    ------
    ModuleError, ModuleSuspended
        As VisTrails raises them.
    """
    ports, output_port = loop.input_ports, loop.output_port
    element = loop.elements[index]
    parts = [element] if len(ports) == 1 else element
    value = None
    for function in loop.functions:
        module = copy.copy(function)
        module.upToDate = module.computed = False
        loop.module.setInputValues(module, ports, parts, index)
        loop.log.begin_iteration(module, index)
        try:
            module.update()
        finally:
            loop.log.end_iteration(module)
        if output_port is None or output_port not in module.outputPorts:
            raise ModuleError(module, f"Invalid output port: {output_port}")
        value = module.get_output(output_port)
    return value
