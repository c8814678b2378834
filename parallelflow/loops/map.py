"""The Map module: Control Flow's Map, its elements evaluated on the engines of a cluster.

What a Map does is told to `evaluation.evaluate` as a `Loop`; docs/architecture.md follows one
element from the list to the engine and back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from vistrails.core.modules.config import IPort
from vistrails.core.modules.vistrails_module import ModuleError
from vistrails.packages.controlflow.fold import FoldWithModule
from vistrails.packages.controlflow.utils import Map as SerialMap

from parallelflow.engine.place import on_engine
from parallelflow.settings import POLICIES, STOP, settings

from .checks import check_elements, check_output_port
from .describe import describe
from .evaluation import evaluate
from .loop import Loop
from .patches import replaced_method
from .provenance import LoopLog
from .serial import evaluate_in_session

__all__ = ["Map", "map_in_parallel", "parallel_maps"]


class Map(FoldWithModule):
    """Control Flow's Map on the engines of an IPython cluster.

    Runs the module on FunctionPort once for each element of InputList: the element (or
    its parts) goes to the input ports named by InputPort, and Result is the list of what
    the output port named by OutputPort gave, in the elements' order.

    OnError (optional) says what happens when an element fails: ``stop`` there as Control
    Flow's Map does, or ``finish others`` first and then fail naming every failed element.
    """

    _input_ports = [IPort("OnError", "basic:String", optional=True)]

    def compute(self) -> None:
        """Evaluate all elements and set Result."""
        if on_engine():
            # Inside a function that runs on an engine, and in programs that it starts, there is
            # no cluster to ask for: it may be the one that waits for them.
            self.initialValue: list[Any] = []
            FoldWithModule.compute(self)
        else:
            self.set_output("Result", map_in_parallel(self))

    def setInitialValue(self) -> None:
        """Begin with an empty list, when run serially on an engine."""
        self.initialValue = []

    def operation(self) -> None:
        """Append the element's result, when run serially on an engine."""
        self.partialResult.append(self.elementResult)


@contextlib.contextmanager
def parallel_maps() -> Iterator[None]:
    """Run every Map of Control Flow on the engines while the context is entered.

    On an engine, and in programs that elements start, nothing changes.
    """
    if on_engine():
        yield
        return

    def update_function_port(self: Any) -> None:
        self.partialResult = map_in_parallel(self)

    with replaced_method(SerialMap, "updateFunctionPort", update_function_port):
        yield


def map_in_parallel(module: Any) -> list[Any]:
    """Evaluate a Map's function for each element of its list, on the engines.

    Parameters
    ----------
    module : FoldWithModule
        The Map, with what is upstream of it computed.

    Returns
    -------
    list
        As many values as there are elements, in their order.

    Raises
    ------
    ModuleError
        On the function if an element fails (with attribute ``element``, an
        `ElementFailure`), on the Map if something else does.
    """
    ports = module.get_input("InputPort")
    output_port = module.get_input("OutputPort")
    raw = module.get_input("InputList")
    stop_on_error = _policy(module) == STOP
    elements = raw if isinstance(raw, (list, tuple)) else list(raw)
    functions = [connector.obj for connector in module.inputPorts.get("FunctionPort", ())]
    log = LoopLog(module.logging.begin_loop_execution(module, len(elements)))
    if not len(elements):
        log.write(finished=True)
        return []
    if not functions:
        raise ModuleError(
            module, "FunctionPort is not connected: connect the 'self' port of the module to run"
        )
    for function in functions:
        check_elements(module, function, ports, elements)
        check_output_port(module, function, output_port)
    return evaluate(
        Loop(
            name="Map",
            module=module,
            functions=functions,
            elements=elements,
            spec=describe(module, functions, ports, output_port, log=log.wanted),
            log=log,
            stop_on_error=stop_on_error,
            evaluate_in_session=evaluate_in_session,
            alternative="use Control Flow's Map",
        )
    )


def _policy(module: Any) -> str:
    """Return what is to happen when an element fails: the port's word, or the settings'."""
    policy = module.force_get_input("OnError") or settings().onError or STOP
    if policy not in POLICIES:
        raise ModuleError(
            module, f"OnError must be one of {', '.join(map(repr, POLICIES))}, not {policy!r}"
        )
    return str(policy)
