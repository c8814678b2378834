"""Control Flow's For: a function for each number of a range."""

from __future__ import annotations

import copy
import hashlib
from base64 import b16decode, b16encode
from collections.abc import Callable
from typing import Any

from vistrails.core.modules.basic_modules import create_constant
from vistrails.core.modules.vistrails_module import ModuleConnector, ModuleError
from vistrails.core.utils import xor

from parallelflow.engine.element_ports import SIGNATURE_BYTES, number_bytes
from parallelflow.settings import STOP

from .choice import Wish
from .element_policy import element_policy, never_cached
from .evaluation import evaluate
from .loop import Loop
from .provenance import LoopLog

__all__ = ["count_on_engines"]


def count_on_engines(module: Any, serial: Callable[[Any], None], why: Wish) -> None:
    """Do what ``For.compute`` does, with the function on the engines.

    Parameters
    ----------
    module : For
        The module, with what is upstream of it computed.
    serial : callable
        ``compute`` itself, for ranges that are too short, and mistakes.
    why : Wish
        Why it is wanted on the engines.

    Raises
    ------
    ModuleError
        On the function if an element fails (with attribute ``element``, an
        `ElementFailure`).
    """
    output_port = module.get_input("OutputPort")
    input_port = module.force_get_input("InputPort")
    numbers = range(module.get_input("LowerBound"), module.get_input("HigherBound"))
    functions = [connector.obj for connector in module.inputPorts.get("FunctionPort", ())]
    policy = element_policy(module)
    if len(numbers) < 1 + policy.is_vistrails_own or len(functions) != 1:
        serial(module)
        return
    log = LoopLog(module.logging.begin_loop_execution(module, len(numbers)), numbers.start)
    values = evaluate(
        Loop(
            name=type(module).__name__,
            module=module,
            functions=functions,
            elements=numbers,
            input_ports=[] if input_port is None else [input_port],
            output_port=output_port,
            log=log,
            evaluate_in_session=_evaluate_in_session,
            alternative="do not run its loop on engines",
            stop_on_error=policy.on_error == STOP,
            time_limit=policy.time_limit,
            retries=policy.retries,
            leave_out=policy.leave_out(lambda _: never_cached(module)),
            measured=why is Wish.SESSION and not policy.needs_engines,
            serial_if_unable=True,
            first=numbers.start,
        )
    )
    module.set_output("Result", values)


def _evaluate_in_session(loop: Loop, index: int) -> Any:
    """Evaluate one number here, as ``For.compute`` does."""
    number, output_port = loop.elements[index], loop.output_port
    module = copy.copy(loop.functions[0])
    module.upToDate = module.computed = False
    for port in loop.input_ports:
        module.inputPorts.pop(port, None)
        module.set_input_port(port, ModuleConnector(create_constant(number), "value"))
        module.signature = b16encode(
            xor(
                b16decode(loop.module.signature.upper()),
                number_bytes(number, SIGNATURE_BYTES),
                hashlib.sha1(port.encode()).digest(),
            )
        )
    loop.log.begin_iteration(module, index)
    try:
        module.update()
    finally:
        loop.log.end_iteration(module)
    if output_port not in module.outputPorts:
        raise ModuleError(module, f"Invalid output port: {output_port}")
    return module.get_output(output_port)
