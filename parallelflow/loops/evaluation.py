"""One execution of a Map: a run on the engines as VisTrails sees it."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Sequence
from typing import Any

from vistrails.core.interpreter.base import AbortExecution
from vistrails.core.modules.vistrails_module import ModuleError, ModuleSuspended

from parallelflow.engine import payload, session_state
from parallelflow.engine.files import unpack
from parallelflow.engine.function import Surroundings, prepare
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine.spec import FunctionSpec
from parallelflow.engine_manager import get_manager
from parallelflow.errors import ElementError, ElementFailure, ParallelFlowError
from parallelflow.settings import STOP, settings
from parallelflow.work.output import OutputOrder
from parallelflow.work.recovery import drive
from parallelflow.work.resume import Unfinished, function_key
from parallelflow.work.run import Run
from parallelflow.work.worker import Worker

from .describe import classes, travellers
from .messages import show_marked
from .provenance import MapLog

__all__ = ["MapRun", "unfinished"]

# VisTrails' window is drawn, and its Cancel button looked at, when progress is told.
POLL_SECONDS = 0.03

unfinished = Unfinished()
"""What failed and cancelled Maps of this session have finished."""

logger = logging.getLogger(__name__)


class MapRun:
    """One execution of a Map.

    Parameters
    ----------
    module : FoldWithModule
        The Map.
    functions : sequence of Module
        What is on its FunctionPort, at least one.
    elements : sequence
        The list, at least one element.
    log : MapLog
        Where the executions go.
    spec : FunctionSpec
        The function as engines get it.
    on_error : str
        ``stop`` or ``finish others``.
    """

    def __init__(
        self,
        module: Any,
        functions: Sequence[Any],
        elements: Sequence[Any],
        log: MapLog,
        spec: FunctionSpec,
        on_error: str,
    ) -> None:
        self._module = module
        self._functions = functions
        self._elements = elements
        self._log = log
        self._spec = spec
        self._stop_on_error = on_error == STOP
        self._label = _label(module)
        self._output = OutputOrder(show_marked(self._label, len(elements)))
        self._key = b""
        self._executed: set[int] = set()

    def evaluate(self) -> list[Any]:
        """Return the values, as many as there are elements, in their order.

        Raises
        ------
        ModuleError
            What the serial Map would raise; on the Map, if the cluster fails.
        """
        finished = False
        try:
            values = self._evaluate()
            finished = True
            return values
        except ParallelFlowError as e:
            raise ModuleError(self._module, f"{e}\n{e.more}".strip()) from e
        finally:
            self._output.flush()
            self._log.write(finished)

    def _evaluate(self) -> list[Any]:
        with contextlib.suppress(Exception):  # what cannot be pickled is reported by the run
            self._key = function_key(_identity(self._spec, self._travelled()))
        manager = get_manager()
        client = manager.ensure_engines()
        if client is None:
            raise ModuleError(
                self._module,
                "There is no cluster with an engine. Start engines (Packages > Parallel Flow > "
                "Start new engine processes), or use Control Flow's Map.",
            )
        done = unfinished.take(self._key, self._elements) if self._key else {}
        self._check_inputs()
        run = Run(
            client,
            prepare,
            (Surroundings(self._spec), self._spec),
            self._elements,
            self._label,
            chunk_size=settings().chunkSize or None,
            stop_on_error=self._stop_on_error,
            on_chunk=self._take,
            pool=manager.engine_pool(),
            finished=done,
        )
        for index in done:
            self._output.add(index, 1, {})
        try:
            self._drive(run)
            self._run_deferred(run)
        except BaseException:
            self._keep(run)
            raise
        if run.failures:
            self._keep(run)
            raise self._error(run.failures)
        return run.values

    def _check_inputs(self) -> None:
        """Raise on the Map if a value for another port of the function cannot travel."""
        if self._key:
            return
        for value in self._spec.values:
            try:
                payload.dump(value.value)
            except Exception as e:
                owners = [m for m in self._travelled() if m.moduleInfo["moduleId"] == value.module]
                raise ModuleError(
                    self._module,
                    f"the value on port {value.port} of {type(owners[0]).__name__} cannot be sent "
                    f"to an engine: {type(e).__name__}: {e}. Make it a value that pickle takes, or "
                    "compute it inside the function (a Group).",
                ) from e

    def _keep(self, run: Run) -> None:
        """Keep what has finished for the next execution."""
        if self._key:
            unfinished.keep(self._key, self._elements, {i: run.values[i] for i in run.done})

    # -- on the engines -------------------------------------------------------------------

    def _drive(self, run: Run) -> None:
        """Poll the run to its end, telling VisTrails; on any exception cancel it."""
        for function in self._functions:
            function.logging.begin_update(function)
            function.logging.set_computing(function)
        total = len(self._elements)
        interaction = get_manager().interaction

        def look() -> None:
            self._log.build(POLL_SECONDS)
            done = run.progress.done + run.progress.failed
            self._module.logging.update_progress(self._module, done / total)
            if interaction.leaving():  # nobody waits for what is left of the workflow
                raise AbortExecution("Execution aborted")

        try:
            if not drive(run, lambda: run.poll(POLL_SECONDS), look, get_manager().ensure_engines):
                run.deferred.update(index for index, _ in run.take_rest())
                run.finish_here()
        except BaseException:
            self._replace(run.cancel())
            self._bring_files(run)
            raise
        self._bring_files(run)
        if not run.failures:
            for function in self._functions:
                function.logging.end_update(function)
        self._tell_executed(run)

    def _tell_executed(self, run: Run) -> None:
        """Tell VisTrails which modules have run well at least once."""
        for module in self._travelled():
            module_id = module.moduleInfo["moduleId"]
            if module_id in self._spec.functions:
                ran = not run.failures or _ran_once(run)
            else:
                ran = module_id in self._executed
            if ran:
                module.logging.signalSuccess(module)

    def _replace(self, stuck: list[int]) -> None:
        """Have engines that cannot be interrupted replaced, where they are ours to replace."""
        for engine in stuck:
            get_manager().replace_later(engine)

    def _take(self, start: int, result: ChunkResult, worker: Worker) -> None:
        """Take the executions and the output of a chunk."""
        self._output.add(start, result.count, result.outputs)
        self._executed.update(result.report or ())
        if self._log.wanted:
            for position, records in result.records.items():
                self._log.add(start + position, records, worker)
            for position, trouble in result.troubles.items():
                if len(trouble.where) > 1 and trouble.where[1]:
                    self._log.add(start + position, trouble.where[1], worker)

    def _bring_files(self, run: Run) -> None:
        """Write files that were made on other machines into this session's file pool."""
        if run.hosts - {self._spec.host}:
            pool = self._module.interpreter.filePool
            run.values[:] = [unpack(value, pool) for value in run.values]

    # -- on the client --------------------------------------------------------------------

    def _run_deferred(self, run: Run) -> None:
        """Run here what needs this session: jobs that its job monitor has to watch.

        Raises
        ------
        ModuleSuspended
            On the Map if any of them waits for its job and none has failed, with the serial
            Map's text.
        """
        suspended = []
        # The serial Map ends at a failure, and that is what it tells then.
        end = min(run.failures, default=len(self._elements)) if self._stop_on_error else None
        for index in sorted(run.deferred):
            if end is not None and index > end:
                break
            done = run.progress.done + run.progress.failed
            self._module.logging.update_progress(self._module, done / len(self._elements))
            try:
                run.values[index] = self._run_here(index)
                run.progress.done += 1
            except ModuleSuspended as e:
                suspended.append(e)
        if suspended and not run.failures:
            raise ModuleSuspended(
                self._module,
                f"function module suspended in {len(suspended)}/{len(self._elements)} iterations",
                children=suspended,
            )

    def _run_here(self, index: int) -> Any:
        """Run one element as the serial Map does."""
        ports = self._spec.input_ports
        element = self._elements[index]
        value = None
        for function in self._functions:
            module = copy.copy(function)
            module.upToDate = module.computed = False
            parts = [element] if len(ports) == 1 else element
            self._module.setInputValues(module, ports, parts, index)
            self._log.begin_iteration(module, index)
            try:
                module.update()
            finally:
                self._log.end_iteration(module)
            if self._spec.output_port not in module.outputPorts:
                raise ModuleError(module, f"Invalid output port: {self._spec.output_port}")
            value = module.get_output(self._spec.output_port)
        return value

    # -- failures -------------------------------------------------------------------------

    def _error(self, failures: dict[int, ElementFailure]) -> ModuleError:
        """Return the failures as the serial Map reports one: on the function, in its words."""
        first = failures[min(failures)]
        message = _message(first)
        if len(failures) > 1 and not self._stop_on_error:
            others = [failures[i] for i in sorted(failures)[1:]]
            lines = [f"element {f.index} ({f.input}): {f.message}" for f in others]
            message = "\n".join(
                [f"{len(failures)} of {first.total} elements failed. "
                 f"Element {first.index} ({first.input}): {message}", *lines]
            )  # fmt: skip
        error = ModuleError(self._culprit(first), message, errorTrace=_trace(first))
        error.element = first
        error.elements = [failures[i] for i in sorted(failures)]
        return error

    def _culprit(self, failure: ElementFailure) -> Any:
        """Return the module that failed: the function, or one that it takes as a module."""
        if failure.stage in ("pickle", "input", "result"):
            return self._module
        wanted = failure.where[0] if failure.where else None
        for module in self._travelled():
            if module.moduleInfo["moduleId"] == wanted:
                return module
        return self._functions[-1]

    def _travelled(self) -> list[Any]:
        """Return the client's own modules that the engines have copies of."""
        return travellers(self._functions, self._spec.input_ports)


def _label(module: Any) -> str:
    """Return what the user calls the Map: its label, or its name."""
    info = module.moduleInfo
    with contextlib.suppress(Exception):
        twin = info["pipeline"].modules[info["moduleId"]]
        if twin.has_annotation_with_key("__desc__"):
            return str(twin.get_annotation_by_key("__desc__").value)
    return "Map"


def _identity(spec: FunctionSpec, modules: Sequence[Any]) -> Any:
    """Return what decides a function's results, as far as the client can tell.

    The classes' identities are part of it: a package that was reloaded has new ones. So is what
    elements find in their process, such as the folder of their files.
    """
    return (
        spec.pipeline, spec.functions, spec.values, spec.outputs, spec.packages,
        spec.configuration, spec.input_ports, spec.output_port,
        [id(one) for one in classes(modules)], session_state.identity(),
    )  # fmt: skip


def _ran_once(run: Run) -> bool:
    """Whether the function ran well for any element up to the first failed one."""
    first = min(run.failures)
    where = run.failures[first].where
    return first > 0 or (len(where) > 2 and bool(where[2]))


def _message(failure: ElementFailure) -> str:
    """Return the text for an element's failure: the serial Map's where it has one."""
    return failure.message if failure.stage == "run" else str(failure)


def _trace(failure: ElementFailure) -> str:
    """Return where an element failed, and the remote traceback."""
    lines = [f"Element {failure.index} of {failure.total}: {failure.input}"]
    if failure.engine is not None:
        lines.append(f"on engine {failure.engine} of {failure.host}")
    return "\n".join([*lines, ElementError([failure]).more, "", failure.traceback])
