"""Folds with a function: Control Flow's Map and Filter, and all that users derive from them.

The function runs on the engines; ``operation()``, which makes the result of what it gives, runs
here, once for each element in their order, and may end the loop.
"""

from __future__ import annotations

from typing import Any

from vistrails.core.modules.vistrails_module import ModuleError
from vistrails.packages.controlflow.utils import Map as SerialMap

from parallelflow.settings import STOP

from .checks import check_elements, check_output_port
from .choice import Wish
from .element_policy import NoteFailures, element_policy, never_cached
from .evaluation import evaluate
from .loop import Loop
from .provenance import LoopLog
from .serial import evaluate_in_session

__all__ = ["fold_on_engines"]


def fold_on_engines(
    module: Any,
    append: Any = SerialMap.operation,
    note_failures: NoteFailures | None = None,
    why: Wish = Wish.MARKED,
) -> None:
    """Do what ``FoldWithModule.updateFunctionPort`` does, with the function on the engines.

    Parameters
    ----------
    module : FoldWithModule
        The fold, with what is upstream of it computed. Its `partialResult` has the result
        afterwards.
    append : callable
        An ``operation()`` that is known to do nothing but append the value.
    note_failures : callable, optional
        Called with the failed elements, by index, if the fold goes on without them. It is given
        by a fold that has ports for what becomes of such elements.
    why : Wish
        Why it is wanted on the engines.

    Raises
    ------
    ModuleError
        On the function if an element fails (with attribute ``element``, an
        `ElementFailure`), on the fold if something else does.
    """
    ports = module.get_input("InputPort")
    output_port = module.get_input("OutputPort")
    raw = module.get_input("InputList")
    policy = element_policy(module, has_ports=note_failures is not None)
    elements = raw if isinstance(raw, (list, tuple)) else list(raw)
    functions = [connector.obj for connector in module.inputPorts.get("FunctionPort", ())]
    log = LoopLog(module.logging.begin_loop_execution(module, len(elements)))
    if not len(elements):
        log.write(finished=True)
        return
    if not functions:
        raise ModuleError(
            module, "FunctionPort is not connected: connect the 'self' port of the module to run."
        )
    for function in functions:
        check_elements(module, function, ports, elements)
        check_output_port(module, function, output_port)

    def operate(index: int, value: Any) -> None:
        module.element, module.elementResult = elements[index], value
        module.operation()

    name = type(module).__name__
    appends = type(module).operation in (append, SerialMap.operation)
    values = evaluate(
        Loop(
            name=name,
            module=module,
            functions=functions,
            elements=elements,
            input_ports=ports,
            output_port=output_port,
            log=log,
            stop_on_error=policy.on_error == STOP,
            time_limit=policy.time_limit,
            retries=policy.retries,
            leave_out=policy.leave_out(note_failures or (lambda _: never_cached(module))),
            evaluate_in_session=evaluate_in_session,
            alternative=f"use Control Flow's {name}",
            on_value=None if appends else operate,
            measured=why is Wish.SESSION and not policy.needs_engines,
            serial_if_unable=why is Wish.SESSION,
        )
    )
    if appends:
        module.partialResult.extend(values)
