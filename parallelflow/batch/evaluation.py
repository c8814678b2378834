"""Points computed on the engines: whole workflows travel, one execution for each point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vistrails.core.vistrail.module_param import ModuleParam

from parallelflow.engine.file_names import numbered_files
from parallelflow.engine.package_preload import PackagePreloader
from parallelflow.engine.place import on_engine
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine.workflow import Collect, prepare_workflows
from parallelflow.engine.workflow_parameters import set_parameters
from parallelflow.engine.workflow_results import failure_text
from parallelflow.engine.workflow_spec import Point, WorkflowsSpec
from parallelflow.engine_manager import get_manager
from parallelflow.errors import NoEngines
from parallelflow.loops.checkpoint import RunCheckpoint
from parallelflow.loops.log_objects import annotations_of
from parallelflow.progress import Progress, RunState, Snapshot
from parallelflow.settings import settings
from parallelflow.work.output import OutputOrder, Written
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.recovery import drive_or_defer
from parallelflow.work.run import Run
from parallelflow.work.worker import Worker

from .checkpoint import compared_points, identity_of
from .describe import BatchWorkflow, describe
from .kept_points import LoggedPoint, logged_values
from .order import related_together
from .outcome import Failure, Outcome, failure_of_point, records_of
from .point_log import RESUMED, PointLog

__all__ = ["ALL_POINTS", "Batch"]

ALL_POINTS = ElementPolicy(stop_on_error=False)
"""A point that fails leaves the others alone."""

POLL_SECONDS = 0.03
"""How long to wait for an engine before whoever watches is asked whether to go on."""


class Batch:
    """Workflows executed for points, on the engines.

    Parameters
    ----------
    label : str
        What the user calls it.
    workflows : sequence of BatchWorkflow
        What the points are about.
    points : sequence of Point
        The points, at least one.
    collect : Collect
        Makes what travels back of each execution.
    show : callable, optional
        Called with a point's position and what it wrote, in the order of the points.
    policy : ElementPolicy
        What becomes of points that fail or take long.
    kept : bool
        Whether finished points are kept on disk until the run ends well, and taken from there.
    log : PointLog, optional
        Logs the executions.

    Attributes
    ----------
    outcomes : list of Outcome
        One for each point, in their order.
    """

    def __init__(
        self,
        label: str,
        workflows: Sequence[BatchWorkflow],
        points: Sequence[Point],
        collect: Collect,
        show: Callable[[int, Written], None] | None = None,
        policy: ElementPolicy = ALL_POINTS,
        kept: bool = False,
        log: PointLog | None = None,
    ) -> None:
        self._label = label
        self._workflows = workflows
        self._points = points
        self._collect = collect
        self._order = related_together([w.pipeline for w in workflows], points)
        self._indices = {position: index for index, position in enumerate(self._order)}
        self._show = show or (lambda position, written: None)
        self._output = OutputOrder(lambda index, w: self._show(self._order[index], w))
        self._manager = get_manager()
        self._policy = policy
        self._kept = kept
        self._log = log
        self._checkpoint: RunCheckpoint | None = None
        self._run: Run | None = None
        self.outcomes = [Outcome() for _ in points]

    def start(self) -> None:
        """Begin; some engines may have to be started.

        Raises
        ------
        NoEngines
            If there is no engine, and none was to be started.
        """
        client = self._manager.ensure_engines(for_run=True)
        if client is None:
            raise NoEngines("There is no cluster with an engine. Start new engine processes.")
        spec = describe(self._workflows, log=self._log is not None)
        kept = self._take_kept(spec)
        earlier = {i: v.value if isinstance(v, LoggedPoint) else v for i, v in kept.items()}
        self._run = run = Run(
            client,
            prepare_workflows,
            (PackagePreloader(spec), spec, self._collect),
            [self._points[position] for position in self._order],
            self._label,
            chunk_size=settings().chunkSize or None,
            policy=self._policy,
            on_chunk=self._take_chunk,
            on_output=self._output.add_early,
            pool=self._manager.engine_pool(),
            finished=earlier,
        )
        for index, value in earlier.items():
            self.outcomes[self._order[index]] = Outcome(value, None, {RESUMED: "true"})
            self._output.add(index, 1, {})
            if self._log is not None:
                self._log.add_kept(self._order[index], kept[index])
        if self._checkpoint is not None:
            self._checkpoint.tell(run.progress)

    def _take_kept(self, spec: WorkflowsSpec) -> dict[int, Any]:
        """Return what an earlier run has finished, by index; keep what this one finishes."""
        if not self._kept:
            return {}
        points = [self._points[position] for position in self._order]
        self._checkpoint = RunCheckpoint(
            lambda: identity_of(self._label, self._workflows, spec, self._collect),
            compared_points(self._workflows, points),
        )
        return self._checkpoint.take()

    def evaluate(self) -> None:
        """Evaluate all points; on any exception, what runs is stopped and what finished kept."""
        if on_engine():
            self._evaluate_serially()
            return
        if self._run is None:
            self.start()
        self.wait()
        self.finish()

    def wait(
        self,
        enough: Callable[[], bool] = lambda: False,
        look: Callable[[], object] = lambda: None,
    ) -> None:
        """Wait for the engines.

        Parameters
        ----------
        enough : callable
            Returns True if what has come is enough for now; without it, all is waited for.
        look : callable
            Called every `POLL_SECONDS` or so; an exception that it raises ends the work.
        """
        run = self._run
        assert run is not None

        def look_around() -> None:
            look()
            if self._checkpoint is not None:
                self._checkpoint.tick(run.progress)
            if enough():
                raise _Enough

        try:
            find_client = self._manager.ensure_engines
            drive_or_defer(run, lambda: run.poll(POLL_SECONDS), look_around, find_client)
        except _Enough:
            return
        except BaseException:
            self.cancel()
            raise

    def is_settled(self, position: int) -> bool:
        """Return True if there is no more to wait for of a point.

        Parameters
        ----------
        position : int
            The point's position.
        """
        run = self._run
        if run is None:
            return True
        self._take_failures(run)
        if run.is_finished or self._indices[position] in run.deferred:
            return True
        outcome = self.outcomes[position]
        return outcome.collected is not None or outcome.failure is not None

    @property
    def progress(self) -> Snapshot | None:
        """How far the engines have come; None before the start."""
        return None if self._run is None else self._run.progress.snapshot()

    def cancel(self, whole: bool | None = None) -> None:
        """Stop what runs; what has finished is kept in `outcomes`.

        Parameters
        ----------
        whole : bool, optional
            Whether nothing is left to resume, where that shows elsewhere than in `outcomes`.
        """
        if self._run is not None:
            for engine in self._run.cancel():  # those that cannot be interrupted
                self._manager.replace_in_background(engine)
            self._take_failures(self._run)
            self._close_checkpoint(self._run, (), whole)
        self._output.flush()

    def finish(self) -> None:
        """Evaluate in this session what needs it, after the engines have done the rest."""
        run = self._run
        assert run is not None
        self._take_failures(run)
        self._output.flush()
        here = []
        try:
            for index in sorted(run.deferred):
                self._evaluate_here(self._order[index])
                run.values[index] = self.outcomes[self._order[index]].collected
                here.append(index)
        finally:
            self._close_checkpoint(run, here)

    def _close_checkpoint(self, run: Run, here: Sequence[int], whole: bool | None = None) -> None:
        if self._checkpoint is not None:
            done = [index for index in here if run.values[index] is not None]
            if whole is None:
                whole = all(outcome.collected is not None for outcome in self.outcomes)
            self._checkpoint.close(run, done, whole)

    def _take_chunk(self, start: int, result: ChunkResult, worker: Worker) -> None:
        place = dict(annotations_of(worker))
        for offset, value in enumerate(result.values):
            if offset not in result.failures:
                self.outcomes[self._order[start + offset]] = Outcome(value, None, place)
        self._output.add(start, result.count, result.outputs)
        logged = None
        if self._log is not None:
            records = records_of(result)
            for offset, record in records.items():
                self._log.add(self._order[start + offset], record, worker)
            logged = logged_values(result, records, worker)
        if self._checkpoint is not None:
            self._checkpoint.add(start, result, logged)

    def _take_failures(self, run: Run) -> None:
        for index, failure in run.failures.items():
            self.outcomes[self._order[index]] = Outcome(failure=failure_of_point(failure))

    # -- in this process ------------------------------------------------------------------

    def _evaluate_serially(self) -> None:
        progress = Progress(self._label, len(self._points))
        progress.enter(RunState.RUNNING)
        for position in range(len(self._points)):
            self._evaluate_here(position)
            failed = self.outcomes[position].failure is not None
            progress.failed += failed
            progress.done += not failed
            progress.announce()
        progress.enter(RunState.FAILED if progress.failed else RunState.DONE)

    def _evaluate_here(self, position: int) -> None:
        """Execute a workflow for a point in this process, as VisTrails does."""
        point = self._points[position]
        workflow = self._workflows[point.workflow]
        info = workflow.info
        set_parameters(workflow.pipeline, point.parameters)
        # Once more, for VisTrails' log.
        params = [(ModuleParam.vtType, number, text) for number, text in point.parameters]
        with numbered_files(point.number):
            # locator, version, pipeline, view, aliases, parameters, reason, sinks, extra_info
            execution: tuple[Any, ...] = (
                info["locator"], info["current_version"], workflow.pipeline, None, None,
                params, info["reason"], None, {},
            )  # fmt: skip
            [result], _ = workflow.controller.execute_workflow_list([execution])
        if result.errors:
            text = failure_text(workflow.pipeline, result.errors)
            self.outcomes[position] = Outcome(failure=Failure(text))
        elif result.suspended:
            text = failure_text(workflow.pipeline, result.suspended)
            waits = f"{text.replace(' failed: ', ' waits for a job: ')}; run it again later"
            self.outcomes[position] = Outcome(failure=Failure(waits))
        else:
            values = self._collect(point.workflow, workflow.pipeline, result.objects)
            self.outcomes[position] = Outcome(values)


class _Enough(Exception):
    """What has come is enough for now."""
