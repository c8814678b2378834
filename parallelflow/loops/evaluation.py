"""The values of a loop's elements, computed on the engines: the same for every kind of loop."""

from __future__ import annotations

from typing import Any

from vistrails.core.interpreter.base import AbortExecution
from vistrails.core.modules.vistrails_module import ModuleError, ModuleSuspended

from parallelflow.engine import payload
from parallelflow.engine.files import unpack
from parallelflow.engine.function import prepare
from parallelflow.engine.package_preload import PackagePreloader
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine_manager import get_manager
from parallelflow.errors import ParallelFlowError
from parallelflow.settings import settings
from parallelflow.work.left_out import told_as_left_out
from parallelflow.work.output import OutputOrder
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.recovery import drive
from parallelflow.work.run import Run
from parallelflow.work.worker import Worker

from .failures import failure_in_session, is_stop, module_error, ran_once
from .loop import Loop
from .messages import show_marked
from .replay import Replay
from .resume import KnownValues

__all__ = ["evaluate"]

# VisTrails' window is drawn, and its Cancel button looked at, when progress is told.
POLL_SECONDS = 0.03


def evaluate(loop: Loop) -> list[Any]:
    """Evaluate a loop's function for all its elements, on the engines.

    What needs this session's process is evaluated in it, and so is the rest of a loop that has
    lost its cluster for good.

    Parameters
    ----------
    loop : Loop
        The loop.

    Returns
    -------
    list
        As many values as there are elements, in their order.

    Raises
    ------
    ModuleError
        What VisTrails' own loop would raise, with the failed elements as attributes (see
        `failures.module_error`); on the module that loops, if something else fails.
    ModuleSuspended
        If elements wait for jobs, and none has failed.
    """
    return _Evaluation(loop).evaluate()


class _Evaluation:
    """One evaluation of a loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._manager = get_manager()
        self._known = KnownValues(loop)
        self._output = OutputOrder(show_marked(loop.label, len(loop.elements)))
        self._replay: Replay | None = None
        #: Modules that have run well on an engine, by their ids.
        self._executed: set[int] = set()
        #: Elements that have run well in this process.
        self._in_session: set[int] = set()

    def evaluate(self) -> list[Any]:
        finished = False
        try:
            values = self._evaluate()
            finished = True
            return values
        except ParallelFlowError as e:
            raise ModuleError(self._loop.module, f"{e}\n{e.more}".strip()) from e
        finally:
            self._output.flush()
            self._loop.log.write(finished)

    def _evaluate(self) -> list[Any]:
        run = self._start()
        try:
            self._drive(run)
            self._follow(run)
            self._evaluate_deferred(run)
            if run.failures:
                self._leave_out(run)
        except BaseException:
            self._keep_known(run)
            raise
        return run.values

    def _leave_out(self, run: Run) -> None:
        """Give failed elements another value if the loop goes on without them; raise if not."""
        if self._loop.leave_out is None:
            raise module_error(self._loop, run.failures)
        self._keep_known(run)
        value = self._loop.leave_out(run.failures)
        for index in sorted(run.failures):
            run.values[index] = value
            if self._replay is not None:
                self._replay.close(index)
        self._follow(run)
        told_as_left_out(run.progress, run.failures, value)

    def _keep_known(self, run: Run) -> None:
        self._known.keep({i: run.values[i] for i in run.done | self._in_session})

    def _start(self) -> Run:
        """Return a run on the cluster's engines, of which some may have to be started."""
        loop = self._loop
        client = self._manager.ensure_engines()
        if client is None:
            raise ModuleError(
                loop.module,
                "There is no cluster with an engine. Start engines (Packages > Parallel Flow > "
                f"Start new engine processes), or {loop.alternative}.",
            )
        known = self._known.take()
        if not self._known.can_be_pickled:
            self._check_inputs()
        if loop.on_value is not None:
            self._replay = Replay(loop.on_value, known)
        run = Run(
            client,
            prepare,
            (PackagePreloader(loop.spec), loop.spec),
            loop.elements,
            loop.label,
            chunk_size=settings().chunkSize or None,
            policy=ElementPolicy(loop.stop_on_error, loop.time_limit, loop.retries),
            on_chunk=self._take_chunk,
            pool=self._manager.engine_pool(),
            finished=known,
        )
        for index in known:
            self._output.add(index, 1, {})
        return run

    def _check_inputs(self) -> None:
        """Raise on the module if a value for another port of the function cannot be pickled."""
        for value in self._loop.spec.values:
            try:
                payload.dump(value.value)
            except Exception as e:
                [owner, *_] = (
                    module
                    for module in self._loop.copied_modules
                    if module.moduleInfo["moduleId"] == value.module
                )
                raise ModuleError(
                    self._loop.module,
                    f"the value on port {value.port} of {type(owner).__name__} cannot be sent "
                    f"to an engine: {type(e).__name__}: {e}. Make it a value that pickle takes, or "
                    "compute it inside the function (a Group).",
                ) from e

    # -- on the engines -------------------------------------------------------------------

    def _drive(self, run: Run) -> None:
        """Poll the run to its end, reporting to VisTrails; on any exception cancel it."""
        for function in self._loop.functions:
            function.logging.begin_update(function)
            function.logging.set_computing(function)

        def look() -> None:
            self._loop.log.build(POLL_SECONDS)
            self._show_progress(run)
            self._follow(run)
            if self._manager.interaction.leaving():  # nobody waits for the rest of the workflow
                raise AbortExecution("Execution aborted")

        try:
            if not drive(run, lambda: run.poll(POLL_SECONDS), look, self._manager.ensure_engines):
                run.deferred.update(index for index, _ in run.take_rest())
                run.finish_here()
        except BaseException as e:
            for engine in run.cancel():  # those that cannot be interrupted
                self._manager.replace_in_background(engine)
            self._unpack_files(run)
            if run.done:
                self._end_functions(run, finished=isinstance(e, ModuleError))
            raise
        self._unpack_files(run)
        goes_on = not run.failures or self._loop.leave_out is not None
        self._end_functions(run, finished=goes_on)

    def _end_functions(self, run: Run, finished: bool) -> None:
        """Tell VisTrails how the functions have ended."""
        if finished:
            for function in self._loop.functions:
                function.logging.end_update(function)
        self._signal_success(run)

    def _follow(self, run: Run) -> None:
        """Carry out what follows the values that have come, in the elements' order."""
        if self._replay is not None:
            if run.hosts - {self._loop.spec.host}:
                pool = self._loop.module.interpreter.filePool
                self._replay.prepare = lambda value: unpack(value, pool)
            self._replay.advance(run.values)

    def _show_progress(self, run: Run) -> None:
        finished = run.progress.done + run.progress.failed
        module = self._loop.module
        module.logging.update_progress(module, finished / len(self._loop.elements))

    def _signal_success(self, run: Run) -> None:
        """Tell VisTrails which modules have run well at least once."""
        for module in self._loop.copied_modules:
            module_id = module.moduleInfo["moduleId"]
            if module_id in self._loop.spec.functions:
                ran = not run.failures or ran_once(run.failures)
            else:
                ran = module_id in self._executed
            if ran:
                module.logging.signalSuccess(module)

    def _take_chunk(self, start: int, result: ChunkResult, worker: Worker) -> None:
        """Take the executions and the output of a chunk."""
        self._output.add(start, result.count, result.outputs)
        if self._replay is not None:
            self._replay.add(start, result.count, [start + i for i in result.failures])
        self._executed.update(result.report or ())
        log = self._loop.log
        if log.wanted:
            for position, records in result.records.items():
                log.add(start + position, records, worker)
            for position, failure in result.failures.items():
                if len(failure.where) > 1 and failure.where[1]:
                    log.add(start + position, failure.where[1], worker)

    def _unpack_files(self, run: Run) -> None:
        """Write files that were made on other machines into this session's file pool."""
        if run.hosts - {self._loop.spec.host}:
            pool = self._loop.module.interpreter.filePool
            run.values[:] = [unpack(value, pool) for value in run.values]

    # -- in this session's process ----------------------------------------------------------

    def _evaluate_deferred(self, run: Run) -> None:
        """Evaluate here what needs this session, or has lost its cluster.

        Failures are added to the run's.

        Raises
        ------
        ModuleSuspended
            On the module if elements wait for their jobs and none has failed.
        """
        loop, suspended = self._loop, []
        total = len(loop.elements)
        # VisTrails' own loop ends at a failure, and that is what it tells then.
        end = min(run.failures, default=total) if loop.stop_on_error else total
        for index in sorted(index for index in run.deferred if index < end):
            self._show_progress(run)
            try:
                run.values[index] = loop.evaluate_in_session(loop, index)
            except ModuleSuspended as e:
                suspended.append(e)
                self._close(run, index, skip=True)
            except ModuleError as e:
                if is_stop(e):
                    raise
                run.failures[index] = failure_in_session(loop, index, e)
                run.progress.failed += 1
                if loop.stop_on_error:
                    break
            else:
                self._in_session.add(index)
                run.progress.done += 1
                self._close(run, index)
        if suspended and (not run.failures or loop.leave_out is not None):
            raise ModuleSuspended(
                loop.module,
                f"function module suspended in {len(suspended)}/{total} iterations",
                children=suspended,
            )

    def _close(self, run: Run, index: int, skip: bool = False) -> None:
        """Take note of an element that was evaluated here, for what follows it."""
        if self._replay is not None:
            self._replay.close(index, skip)
            self._replay.advance(run.values)
