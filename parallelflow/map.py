"""The Map module: Control Flow's Map, its elements evaluated on the engines of a cluster.

One element's way: `map_in_parallel` checks the list as the serial Map does and has
`function_spec.describe` describe the function; `work.run.Run` sends both to the engines,
where `engine.function.VistrailsFunction` evaluates the element; its value comes back into
`Run.values`, its execution into `provenance.MapLog`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from vistrails.core.modules.basic_modules import Generator
from vistrails.core.modules.vistrails_module import ModuleError
from vistrails.packages.controlflow.fold import FoldWithModule
from vistrails.packages.controlflow.utils import Map as SerialMap

from parallelflow.engine.function import on_engine, prepare
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine_manager import get_manager
from parallelflow.errors import ElementFailure, ParallelFlowError
from parallelflow.work.run import Run
from parallelflow.work.worker import Worker

from .function_spec import describe
from .provenance import MapLog

__all__ = ["Map", "map_in_parallel", "parallel_maps"]

# VisTrails' window is drawn, and its Cancel button looked at, when progress is told.
POLL_SECONDS = 0.05


class Map(FoldWithModule):
    """Control Flow's Map on the engines of an IPython cluster.

    Runs the module on FunctionPort once for each element of InputList: the element (or
    its parts) goes to the input ports named by InputPort, and Result is the list of what
    the output port named by OutputPort gave, in the elements' order.
    """

    def compute(self) -> None:
        """Evaluate all elements and set Result."""
        if on_engine():
            # Inside a function that runs on an engine there is no cluster to ask for.
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
    """Have every Map of Control Flow run through the engines, without editing a workflow."""
    serial = SerialMap.__dict__.get("updateFunctionPort")

    def update_function_port(self: Any) -> None:
        self.partialResult = map_in_parallel(self)

    SerialMap.updateFunctionPort = update_function_port
    try:
        yield
    finally:
        if serial is None:
            del SerialMap.updateFunctionPort
        else:
            SerialMap.updateFunctionPort = serial


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
    elements = raw if isinstance(raw, (list, tuple)) else list(raw)
    functions = [connector.obj for connector in module.inputPorts.get("FunctionPort", ())]
    loop = module.logging.begin_loop_execution(module, len(elements))
    log = MapLog(loop)
    if not len(elements):
        log.write(finished=True)
        return []
    if not functions:
        raise ModuleError(
            module, "FunctionPort is not connected: connect the 'self' port of the module to run"
        )
    for function in functions:
        check_elements(module, function, ports, elements)
    spec = describe(module, functions, list(ports), output_port)
    spec.log = log.wanted
    return _MapRun(module, functions, elements, log).evaluate(spec)


def check_elements(module: Any, function: Any, ports: Sequence[str], elements: Any) -> None:
    """Check the elements before anything runs, as ``Module.typeChecking`` does.

    That method asks VisTrails' configuration for each element; unless the user has
    turned the checks on, only the elements' lengths and kind matter.

    Raises
    ------
    ModuleError
        On the Map, with the serial Map's text.
    """
    single = len(ports) == 1
    if not function.input_specs:
        return
    for port in ports:
        if port not in function.input_specs:
            known = ", ".join(sorted(function.input_specs)) or "none"
            raise ModuleError(
                module,
                f"Uncaught exception: KeyError: {port!r}: {type(function).__name__} has no "
                f"input port of this name. Its input ports: {known}",
            )
    if any(all(module.get_type_checks(function.input_specs[port])) for port in ports):
        module.typeChecking(function, ports, [[e] for e in elements] if single else elements)
        return
    if single:
        if any(isinstance(element, Generator) for element in elements):
            raise ModuleError(module, "Generator is not allowed here")
        return
    for element in elements:
        if len(element) != len(ports):
            raise ModuleError(
                module, "The number of input values and input ports are not the same."
            )
        if any(isinstance(part, Generator) for part in element):
            raise ModuleError(module, "Generator is not allowed here")


class _MapRun:
    """One execution of a Map: the run on the engines, as VisTrails sees it.

    Parameters
    ----------
    module : FoldWithModule
        The Map.
    functions : sequence of Module
        What is on its FunctionPort.
    elements : sequence
        The list.
    log : MapLog
        Where the executions go.
    """

    def __init__(
        self, module: Any, functions: Sequence[Any], elements: Sequence[Any], log: MapLog
    ) -> None:
        self._module = module
        self._functions = functions
        self._elements = elements
        self._log = log

    def evaluate(self, spec: Any) -> list[Any]:
        """Return the values; raise what the serial Map would."""
        finished = False
        try:
            client = get_manager().ensure_engines()
            if client is None:
                raise ModuleError(
                    self._module,
                    "There is no cluster with an engine. Start engines (Packages > Parallel "
                    "Flow > Start new engine processes), or use Control Flow's Map.",
                )
            run = Run(
                client,
                prepare,
                (spec,),
                self._elements,
                self._label(),
                on_chunk=self._take if self._log.wanted else None,
            )
            self._drive(run)
            if run.failures:
                raise self._error(run.failures[min(run.failures)])
            finished = True
            return run.values
        except ParallelFlowError as e:
            raise ModuleError(self._module, str(e)) from e
        finally:
            self._log.write(finished)

    def _label(self) -> str:
        """Return what the user calls the Map: its label, or its name."""
        info = self._module.moduleInfo
        with contextlib.suppress(Exception):
            twin = info["pipeline"].modules[info["moduleId"]]
            if twin.has_annotation_with_key("__desc__"):
                return str(twin.get_annotation_by_key("__desc__").value)
        return "Map"

    def _drive(self, run: Run) -> None:
        """Poll the run to its end, telling VisTrails; on any exception cancel it."""
        for function in self._functions:
            function.logging.begin_update(function)
            function.logging.set_computing(function)
        total = len(self._elements)
        try:
            while not run.over:
                run.poll(POLL_SECONDS)
                done = run.progress.done + run.progress.failed
                self._module.logging.update_progress(self._module, done / total)
        except BaseException:
            run.cancel()
            raise
        for function in self._functions:
            if not run.failures:
                function.logging.end_update(function)
            if not run.failures or _ran_once(run):
                function.logging.signalSuccess(function)

    def _take(self, start: int, result: ChunkResult, worker: Worker) -> None:
        for position, records in result.records.items():
            self._log.add(start + position, records, worker)
        for position, trouble in result.troubles.items():
            if len(trouble.where) > 1 and trouble.where[1] is not None:
                self._log.add(start + position, trouble.where[1], worker)

    def _error(self, failure: ElementFailure) -> ModuleError:
        """Return an element's failure as the serial Map reports it: on the function."""
        error = ModuleError(
            self._culprit(failure), _message(failure), errorTrace=failure.traceback or str(failure)
        )
        error.element = failure
        return error

    def _culprit(self, failure: ElementFailure) -> Any:
        """Return the module that failed: the function, or one that it takes as a module."""
        if failure.stage in ("pickle", "input", "result"):
            return self._module
        wanted = failure.where[0] if failure.where else None
        waiting = list(self._functions)
        seen: list[Any] = []
        while waiting:
            module = waiting.pop()
            if module.moduleInfo["moduleId"] == wanted:
                return module
            seen.append(module)
            for connectors in module.inputPorts.values():
                for connector in connectors:
                    source = connector.obj
                    if hasattr(source, "moduleInfo") and not any(source is s for s in seen):
                        waiting.append(source)
        return self._functions[-1]


def _ran_once(run: Run) -> bool:
    """Whether the function ran well for any element up to the first failed one."""
    first = min(run.failures)
    where = run.failures[first].where
    return first > 0 or (len(where) > 2 and bool(where[2]))


def _message(failure: ElementFailure) -> str:
    """Return the text for an element's failure: the serial Map's where it has one."""
    return failure.message if failure.stage == "run" else str(failure)
