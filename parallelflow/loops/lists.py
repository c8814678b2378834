"""Lists that iterate by themselves: a module that gets a list where it takes one value.

VisTrails runs such a module once for each element (``Module.compute_all``), or for each
combination of elements where several ports get lists. Here the elements go to engines, each with
what the module iterates over below: of a list of lists, the elements are lists.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from vistrails.core.modules.vistrails_module import ModuleSuspended

from parallelflow.engine.spec import NOT_SENT
from parallelflow.errors import ElementFailure
from parallelflow.settings import STOP

from .checks import check_elements
from .choice import Wish
from .element_policy import element_policy, never_cached
from .evaluation import evaluate
from .loop import Loop
from .provenance import LoopLog

__all__ = ["iterate_on_engines"]

ORDERS = ("pairwise", "cartesian")

# On a copy that is evaluated here: the lists below it are, too.
STAYS = "_parallelflow_stays"


def iterate_on_engines(module: Any, serial: Callable[[Any], None], why: Wish) -> None:
    """Do what ``Module.compute_all`` does, with the elements on the engines.

    Parameters
    ----------
    module : Module
        The module, with what is upstream of it computed.
    serial : callable
        ``compute_all`` itself, for lists that are too short.
    why : Wish
        Why it is wanted on the engines.

    Raises
    ------
    ModuleError
        On the module, as VisTrails raises it; if an element fails, with attribute ``element``, an
        `ElementFailure`.
    """
    if getattr(module, STAYS, False):
        serial(module)
        return
    policy = element_policy(module)
    elements, ports = _combined(module)
    if len(elements) < 1 + policy.is_vistrails_own:
        serial(module)
        return
    if len(ports) == 1:
        elements = [element for (element,) in elements]
    log = LoopLog(module.logging.begin_loop_execution(module, len(elements)))
    if module.list_depth == 1:  # as VisTrails does: at the last level only
        check_elements(module, module, ports, elements)
    left_out: set[int] = set()

    def note(failures: Mapping[int, ElementFailure]) -> None:
        left_out.update(failures)
        never_cached(module)

    values = evaluate(
        Loop(
            name=type(module).__name__,
            module=module,
            functions=[module],
            elements=elements,
            input_ports=ports,
            output_port=None,
            log=log,
            evaluate_in_session=_evaluate_in_session,
            alternative="do not run its loop on engines",
            stop_on_error=policy.on_error == STOP,
            time_limit=policy.time_limit,
            retries=policy.retries,
            leave_out=policy.leave_out(note),
            measured=why is Wish.SESSION and not policy.needs_engines,
            serial_if_unable=True,
            list_depth=module.list_depth - 1,
        )
    )
    for index in left_out:  # on each port that something is connected to
        ports = [port for port in module.outputPorts if port != "self"]
        values[index] = dict.fromkeys(ports, policy.value_for_failed)
    _set_outputs(module, values)


def _combined(module: Any) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Return the elements, each with a part for each port, and the ports."""
    order = module.get_combine_type("cartesian")
    inputs, ports = {}, []
    for port, depth, _ in module.iterated_ports:
        if depth == module.list_depth:  # the others are iterated over on a lower level
            inputs[port] = module.get_input(port)
            ports.append(port)
    if order not in ORDERS:
        order, *ports = json.loads(order)
    elements, ports = module.do_combine(order, inputs, ports)
    return elements, ports


def _set_outputs(module: Any, values: list[dict[str, Any]]) -> None:
    """Give each output port the list of what it gave for the elements."""
    outputs: dict[str, list[Any]] = {}
    for value in values:
        for port, part in value.items():
            outputs.setdefault(port, []).append(part)
    for port, parts in outputs.items():
        if any(part is NOT_SENT for part in parts):
            # Whoever connects the port later must not find it empty.
            never_cached(module)
        else:
            module.set_output(port, parts)


def _evaluate_in_session(loop: Loop, index: int) -> dict[str, Any]:
    """Evaluate one element here, as ``compute_all`` does; return its outputs by port."""
    element = loop.elements[index]
    parts = [element] if len(loop.input_ports) == 1 else element
    module = copy.copy(loop.module)
    setattr(module, STAYS, True)
    module.list_depth = loop.module.list_depth - 1
    module.had_error = module.was_suspended = False
    module.upToDate = module.computed = False
    loop.module.setInputValues(module, loop.input_ports, parts, index)
    loop.log.begin_iteration(module, index)
    try:
        module.update()
    except ModuleSuspended as e:
        e.loop_iteration = index
        module.logging.end_update(module, e, was_suspended=True)
        loop.log.end_iteration(module)
        raise
    loop.log.end_iteration(module)
    return {port: value for port, value in module.outputPorts.items() if port != "self"}
