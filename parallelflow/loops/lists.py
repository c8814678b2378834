"""Lists that iterate by themselves: a module that gets a list where it takes one value.

VisTrails runs such a module once for each element (``Module.compute_all``), or for each
combination of elements where several ports get lists. Here the elements go to engines; of lists
of lists, those of the innermost lists where they can be known beforehand. Where they cannot, the
elements are lists, each with what the module iterates over below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
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
from .nested_lists import STAYS, NestedLists, by_port, combined, copy_for_element, nested
from .provenance import LoopLog

__all__ = ["iterate_on_engines"]


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
    outermost = combined(module)
    lists = NestedLists.of(module, outermost)
    elements, ports = (lists or outermost).loop_elements, (lists or outermost).ports
    if len(elements) < 1 + policy.is_vistrails_own:
        serial(module)
        return
    nesting = lists.nesting if lists is not None else None
    total = len(outermost.elements)
    log = LoopLog(module.logging.begin_loop_execution(module, total), nesting=nesting)
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
            evaluate_in_session=partial(_evaluate_in_session, lists),
            alternative="do not run its loop on engines",
            stop_on_error=policy.on_error == STOP,
            time_limit=policy.time_limit,
            retries=policy.retries,
            leave_out=policy.leave_out(note),
            measured=why is Wish.SESSION and not policy.needs_engines,
            serial_if_unable=True,
            list_depth=0 if lists is not None else module.list_depth - 1,
            nesting=nesting,
            suspended=partial(lists.suspended, log) if lists is not None else None,
        )
    )
    for index in left_out:  # on each port that something is connected to
        ports = [port for port in module.outputPorts if port != "self"]
        values[index] = dict.fromkeys(ports, policy.value_for_failed)
    if nesting is not None:
        values = nested(module, nesting.lengths, iter(values))
    for port, parts in by_port(values).items():
        if parts is NOT_SENT:
            # Whoever connects the port later must not find it empty.
            never_cached(module)
        else:
            module.set_output(port, parts)


def _evaluate_in_session(lists: NestedLists | None, loop: Loop, index: int) -> dict[str, Any]:
    """Evaluate one element here, as ``compute_all`` does; return its outputs by port."""
    element = loop.elements[index]
    parts = [element] if len(loop.input_ports) == 1 else element
    looping, number = loop.module, index
    if lists is not None:
        *path, number = lists.nesting.path_of(index)
        looping = lists.module_of(tuple(path))
    module = copy_for_element(looping, list(loop.input_ports), parts, number)
    loop.log.begin_iteration(module, index)
    try:
        module.update()
    except ModuleSuspended as e:
        e.loop_iteration = number
        module.logging.end_update(module, e, was_suspended=True)
        loop.log.end_iteration(module)
        raise
    loop.log.end_iteration(module)
    return {port: value for port, value in module.outputPorts.items() if port != "self"}
