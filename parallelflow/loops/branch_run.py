"""The engines' part of branches: one run, whose elements are modules, sent as they become ready."""

from __future__ import annotations

import time

from parallelflow.engine.branches import prepare_branches
from parallelflow.engine.package_preload import PackagePreloader
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine_manager import get_manager
from parallelflow.errors import ElementFailure, NoEngines, ParallelFlowError
from parallelflow.work.open_sources import Call, CallSource
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.recovery import Driver
from parallelflow.work.run import Run
from parallelflow.work.worker import Worker

from .branch import Branch

__all__ = ["POLL_SECONDS", "BranchRun"]

POLL_SECONDS = 0.03
"""How long to wait for an engine before VisTrails is asked whether to go on."""

# How long a branch is seen off: an engine that is free has it within milliseconds.
SENDING_SECONDS = 0.5

LABEL = "branches"
NO_ENGINE = "There is no cluster with an engine. Start new engine processes."
CLUSTER_GONE = "there is no cluster any more"


class BranchRun:
    """The branches of one execution of a pipeline, on engines.

    The engines are looked for, or started, when the first branch is submitted.

    Parameters
    ----------
    expected : int
        How many branches there will be, as far as that is known.
    """

    def __init__(self, expected: int) -> None:
        self._manager = get_manager()
        self._source = CallSource()
        self._source.total = expected
        self._branches: list[Branch] = []
        self._run: Run | None = None
        self._driver: Driver | None = None
        self._patience = 0.0
        self._is_broken = False

    def submit(self, branch: Branch) -> None:
        """Give a branch to the engines; one that is free begins with it at once.

        Raises
        ------
        ParallelFlowError
            If there is no engine.
        """
        if self._run is None:
            self._start()
        assert self._run is not None
        if self._is_broken:
            raise NoEngines(NO_ENGINE)
        self._branches.append(branch)
        self._source.submit(Call((PackagePreloader(branch.spec), branch.spec), {}))

    def send(self) -> None:
        """See what was submitted off, so that engines work while this process does."""
        end = time.monotonic() + SENDING_SECONDS
        while self._source.left and time.monotonic() < end:
            before = self._source.left
            self.poll(POLL_SECONDS)
            run = self._run
            if run is None or self._is_broken:
                break
            if self._source.left == before and run.workers.are_busy():
                break  # it waits for an engine that works for another branch

    def poll(self, seconds: float) -> None:
        """Handle what has come back; wait for something for so long."""
        run, driver = self._run, self._driver
        if run is None or driver is None or self._is_broken:
            return
        self._patience = seconds
        try:
            goes_on = driver.step()
        except ParallelFlowError as e:
            if run.may_end_engines:  # then it is not to end this process either
                for branch in self._branches:
                    branch.fail(_lost(branch, e))
            self._leave_all(str(e))
            return
        if not goes_on:
            run.finish_here()
            self._leave_all(CLUSTER_GONE)
        for index, failure in run.failures.items():
            self._branches[index].fail(failure)
        for index in run.deferred:
            self._branches[index].execute_here()
        if run.is_finished:
            self._leave_all(CLUSTER_GONE)

    def close(self) -> None:
        """End the run; what an engine is still at work at is interrupted."""
        run = self._run
        if run is None or run.is_finished:
            return
        run.progress.total = len(self._branches)  # others have stayed in this process
        if all(branch.is_settled for branch in self._branches):
            self._source.close()
            run.poll(0)
        for engine in run.cancel():  # those that cannot be interrupted
            self._manager.replace_in_background(engine)

    def _leave_all(self, why: str) -> None:
        """Leave to this process what has no answer, and all that comes."""
        self._is_broken = True
        for branch in self._branches:
            branch.execute_here(why)

    def _start(self) -> None:
        client = self._manager.ensure_engines(for_run=True)
        if client is None:
            raise NoEngines(NO_ENGINE)
        run = Run(
            client,
            prepare_branches,
            (),
            self._source,
            LABEL,
            chunk_size=1,
            policy=ElementPolicy(stop_on_error=False),
            on_chunk=self._take,
            pool=self._manager.engine_pool(),
        )
        trace = run.progress.trace
        trace.element_of = lambda index: self._branches[index].label
        self._driver = Driver(run, lambda: run.poll(self._patience), self._manager.ensure_engines)
        self._run = run

    def _take(self, start: int, result: ChunkResult, worker: Worker) -> None:
        if result.count:
            self._branches[start].take(result, worker)


def _lost(branch: Branch, error: ParallelFlowError) -> ElementFailure:
    return ElementFailure(
        index=0,
        total=1,
        input=branch.label,
        stage="lost",
        error_type=type(error).__name__,
        message=str(error),
    )
