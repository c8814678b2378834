"""The values of a loop's elements, computed on the engines: the same for every kind of loop."""

from __future__ import annotations

import time
from typing import Any

from vistrails.core.interpreter.base import AbortExecution
from vistrails.core.modules.vistrails_module import ModuleError

from parallelflow.engine.files import unpack
from parallelflow.engine.function import prepare
from parallelflow.engine.package_preload import PackagePreloader
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine_manager import get_manager
from parallelflow.errors import ParallelFlowError
from parallelflow.host.quick_imports import quick_imports
from parallelflow.settings import settings
from parallelflow.trace import Place
from parallelflow.work.left_out import told_as_left_out
from parallelflow.work.output import OutputOrder
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.recovery import drive_or_defer
from parallelflow.work.results import Results
from parallelflow.work.run import Run
from parallelflow.work.worker import Worker

from .checkpoint import LoopCheckpoint
from .failures import first_unable, is_unable, loop_error, module_error, ran_once, unsendable_input
from .in_session import SessionElements
from .loop import Loop
from .messages import cheap_line, show_marked, show_once, stays_line
from .replay import Replay
from .resume import KnownValues
from .trial import Trial, sending_cost

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
    with quick_imports():
        return _Evaluation(loop).evaluate()


class _Evaluation:
    """One evaluation of a loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._manager = get_manager()
        self._known: KnownValues | None = None
        self._checkpoint = LoopCheckpoint(loop)
        self._output = OutputOrder(show_marked(loop))
        self._replay: Replay | None = None
        if loop.on_value is not None:
            self._replay = Replay(loop.on_value)
        self._here = SessionElements(loop, self._replay)
        self._outcome: Run | Results = Results(loop.label, len(loop.elements), {})
        self._begun = 0.0
        #: Modules that have run well on an engine, by their ids.
        self._executed: set[int] = set()

    def evaluate(self) -> list[Any]:
        finished = False
        try:
            values = self._evaluate()
            finished = True
            return values
        except (ParallelFlowError, AbortExecution) as e:
            raise loop_error(self._loop, e, self._outcome.progress) from e
        finally:
            self._output.flush()
            self._loop.log.write(finished)

    def _evaluate(self) -> list[Any]:
        try:
            if not self._loop.measured or self._is_worth_sending():
                self._evaluate_on_engines()
            self._evaluate_deferred()
            if self._outcome.failures:
                self._leave_out(self._outcome)
            self._checkpoint.close(
                self._outcome, self._here.done, finished=not self._outcome.failures
            )
        except BaseException:
            self._keep_known()
            self._checkpoint.close(self._outcome, self._here.done, finished=False)
            raise
        return self._outcome.values

    def _leave_out(self, outcome: Run | Results) -> None:
        """Give failed elements another value if the loop goes on without them; raise if not."""
        if self._loop.leave_out is None:
            raise module_error(self._loop, outcome.failures)
        self._keep_known()
        value = self._loop.leave_out(outcome.failures)
        for index in sorted(outcome.failures):
            outcome.values[index] = value
            if self._replay is not None:
                self._replay.close(index)
        self._follow()
        told_as_left_out(outcome.progress, outcome.failures, value)

    def _keep_known(self) -> None:
        if self._known is not None:
            done = self._outcome.done | self._here.done
            self._known.keep({i: self._outcome.values[i] for i in done})

    def _is_worth_sending(self) -> bool:
        """Evaluate elements here until it shows that the others are worth sending.

        If they are not, all are evaluated here; where one waits for a job, the others are deferred.
        """
        loop, outcome = self._loop, self._outcome
        total = len(loop.elements)
        trial = Trial(total, self._manager.alive())
        for index in range(total):
            if trial.says_send:
                return True
            self._show_progress()
            begin = time.perf_counter()
            succeeded = self._here.evaluate(outcome, index)
            if (not succeeded and loop.stop_on_error) or self._here.waits:
                outcome.deferred.update(range(index + 1, total if succeeded else index + 1))
                return False
            if index in self._here.done:
                seconds = time.perf_counter() - begin
                trial.note(seconds, loop.elements[index], outcome.values[index])
        show_once("cheap", cheap_line(loop, trial))
        return False

    def _evaluate_on_engines(self) -> None:
        """Evaluate on engines what has not been evaluated.

        What cannot be evaluated there is deferred, unless the loop takes that for an error.
        """
        try:
            run = self._start()
            if run is not None:
                self._outcome = run
                self._drive(run)
                self._follow()
                unable = first_unable(self._loop, run.failures)
                if unable is not None:
                    self._defer_rest(str(unable))
        except ParallelFlowError as e:
            if not self._loop.serial_if_unable:
                raise
            self._defer_rest(str(e))

    def _defer_rest(self, why: str) -> None:
        """Leave the elements that have no value yet to this process."""
        loop, outcome = self._loop, self._outcome
        done = outcome.done | self._here.done
        for index, failure in list(outcome.failures.items()):
            if is_unable(failure):
                del outcome.failures[index]
                outcome.progress.failed -= 1
        outcome.deferred.update(i for i in range(len(loop.elements)) if i not in done)
        show_once(f"{type(loop.module)} {why}", stays_line(loop, why))

    def _start(self) -> Run | None:
        """Return a run on the cluster's engines, of which some may have to be started.

        None where there is no cluster, or a constant input cannot be sent, and the elements are
        deferred.
        """
        loop = self._loop
        self._begun = time.monotonic()
        started = not self._manager.alive()
        client = self._manager.ensure_engines(for_run=True)
        if started and client is not None:
            sending_cost.learn_start(time.monotonic() - self._begun)
            self._begun = time.monotonic()
        if client is None:
            if loop.serial_if_unable:
                self._defer_rest("there is no cluster with an engine")
                return None
            raise ModuleError(
                loop.module,
                "There is no cluster with an engine. Start engines (Packages > Parallel Flow > "
                f"Start new engine processes), or {loop.alternative}.",
            )
        self._show_progress()  # what follows takes its time for very many elements
        self._known = KnownValues(loop)
        known = {i: self._outcome.values[i] for i in self._here.done}
        earlier = self._checkpoint.take() | ({} if known else self._known.take())
        earlier = {i: value for i, value in earlier.items() if i not in known}
        if not self._known.can_be_pickled:
            obstacle = unsendable_input(loop)
            if obstacle is not None and not loop.serial_if_unable:
                raise obstacle
            if obstacle is not None:
                self._defer_rest(obstacle.msg)
                return None
        if self._replay is not None:
            self._replay.begin_with(earlier)
        self._show_progress()
        run = Run(
            client,
            prepare,
            (PackagePreloader(loop.spec), loop.spec),
            loop.elements,
            loop.label,
            chunk_size=settings().chunkSize or None,
            policy=ElementPolicy(loop.stop_on_error, loop.time_limit, loop.retries),
            on_chunk=self._take_chunk,
            on_output=self._output.add_early,
            pool=self._manager.engine_pool(),
            finished=known | earlier,
        )
        trace = run.progress.trace
        trace.path_of = loop.path_of
        trace.element_of = loop.elements.__getitem__
        trace.value_of = run.values.__getitem__
        info = loop.module.moduleInfo
        trace.place = Place(
            module=int(info.get("moduleId", -1)),
            function=int(loop.functions[0].moduleInfo.get("moduleId", -1)),
            version=int(info.get("version") or -1),
        )
        self._checkpoint.tell(run.progress)
        for index in sorted(known | earlier):
            self._output.add(index, 1, {})
        return run

    # -- on the engines -------------------------------------------------------------------

    def _drive(self, run: Run) -> None:
        """Poll the run to its end, reporting to VisTrails; on any exception cancel it."""
        for function in self._loop.other_functions:
            function.logging.begin_update(function)
            function.logging.set_computing(function)

        def look() -> None:
            self._loop.settle()
            self._show_progress()
            self._follow()
            self._checkpoint.tick(run.progress)
            if self._manager.interaction.leaving():  # nobody waits for the rest of the workflow
                raise AbortExecution("Execution aborted")

        try:
            find_client = self._manager.ensure_engines
            drive_or_defer(run, lambda: run.poll(POLL_SECONDS), look, find_client)
        except BaseException as e:
            for engine in run.cancel():  # those that cannot be interrupted
                self._manager.replace_in_background(engine)
            self._unpack_files(run)
            if run.done:
                self._end_functions(run, finished=isinstance(e, ModuleError))
            raise
        self._unpack_files(run)
        self._end_functions(run, not run.failures or self._loop.leave_out is not None)

    def _end_functions(self, run: Run, finished: bool) -> None:
        """Tell VisTrails how the functions have ended."""
        if finished:
            for function in self._loop.other_functions:
                function.logging.end_update(function)
        self._signal_success(run)

    def _follow(self) -> None:
        """Carry out what follows the values that have come, in the elements' order."""
        outcome = self._outcome
        if self._replay is not None:
            if isinstance(outcome, Run) and outcome.hosts - {self._loop.spec.host}:
                pool = self._loop.module.interpreter.filePool
                self._replay.prepare = lambda value: unpack(value, pool)
            self._replay.advance(outcome.values)

    def _show_progress(self) -> None:
        progress, module = self._outcome.progress, self._loop.module
        finished = progress.done + progress.failed
        module.logging.update_progress(module, finished / len(self._loop.elements))

    def _signal_success(self, run: Run) -> None:
        """Tell VisTrails which modules have run well at least once."""
        for module in self._loop.copied_modules:
            module_id = module.moduleInfo["moduleId"]
            ran = module_id in self._executed
            if module_id in self._loop.spec.functions:
                ran = not run.failures or ran_once(self._loop, run.failures)
            if ran:
                module.logging.signalSuccess(module)

    def _take_chunk(self, start: int, result: ChunkResult, worker: Worker) -> None:
        """Take the executions and the output of a chunk."""
        if self._begun:
            sending_cost.learn_set_up(time.monotonic() - self._begun - sum(result.seconds))
            self._begun = 0.0
        self._output.add(start, result.count, result.outputs)
        self._checkpoint.add(start, result)
        if self._replay is not None:
            self._replay.add(start, result.count, [start + i for i in result.failures])
        self._executed.update(result.report or ())
        self._loop.log.add(start, result, worker)

    def _unpack_files(self, run: Run) -> None:
        """Write files that were made on other machines into this session's file pool."""
        if run.hosts - {self._loop.spec.host}:
            pool = self._loop.module.interpreter.filePool
            run.values[:] = [unpack(value, pool) for value in run.values]

    def _evaluate_deferred(self) -> None:
        """Evaluate here what needs this session, or has lost its cluster; add its failures.

        Raises
        ------
        ModuleSuspended
            On the module if elements wait for their jobs and none has failed.
        """
        loop, outcome = self._loop, self._outcome
        loop.settle()
        # VisTrails' own loop ends at a failure, and that is what it tells then.
        total = len(loop.elements)
        end = min(outcome.failures, default=total) if loop.stop_on_error else total
        for index in sorted(index for index in outcome.deferred if index < end):
            self._show_progress()
            if not self._here.evaluate(outcome, index) and loop.stop_on_error:
                break
        if not outcome.failures or loop.leave_out is not None:
            self._here.raise_if_suspended()
