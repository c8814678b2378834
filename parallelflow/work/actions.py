"""Carrying out decisions about elements: what `outcomes` has decided is done here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from parallelflow.engine.runner import ChunkResult

from . import outcomes
from .backlog import Backlog
from .cluster_watch import ClusterWatch
from .memory_watch import MemoryWatch
from .outcomes import Decision, Fail, Keep
from .policy import ElementPolicy
from .results import Results
from .worker import Worker
from .workers import Workers

__all__ = ["Actions", "OnChunk"]

OnChunk = Callable[[int, ChunkResult, Worker], None]


class Actions:
    """Carries out decisions about a run's elements.

    Parameters
    ----------
    backlog : Backlog
        What waits.
    results : Results
        What has come back.
    workers : Workers
        The engines.
    watch : ClusterWatch
        Finds out whether the cluster lives.
    memory : MemoryWatch
        Holds work back where memory runs low.
    policy : ElementPolicy
        What becomes of elements that fail.
    on_chunk : callable or None
        Called with what has come back of a chunk, as `Run` has it.
    """

    def __init__(
        self,
        backlog: Backlog,
        results: Results,
        workers: Workers,
        watch: ClusterWatch,
        memory: MemoryWatch,
        policy: ElementPolicy,
        on_chunk: OnChunk | None,
    ) -> None:
        self._backlog = backlog
        self._results = results
        self._workers = workers
        self._watch = watch
        self._memory = memory
        self._policy = policy
        self._on_chunk = on_chunk

    def apply(self, decisions: Iterable[Decision], worker: Worker | None) -> None:
        """Carry out decisions; worker is None where the elements were not sent to one."""
        for decision in decisions:
            match decision:
                case Keep():
                    self.keep(decision, worker)
                case Fail():
                    self._fail(decision, worker)
                case outcomes.Defer():
                    self._results.deferred.add(decision.index)
                case outcomes.Requeue():
                    self._backlog.requeue(decision.chunk)
                case outcomes.Retry():
                    self._results.unfinished.add(decision.chunk.start)
                    self._backlog.retry(decision.chunk)
                case outcomes.Quarantine():
                    self._backlog.quarantine(decision.chunk)
                case outcomes.SetUpAgain() if worker is not None:
                    self._workers.set_up_again(worker)
                case outcomes.StopSharing() if worker is not None:
                    worker.shares_memory = False
                case outcomes.HoldBack() if worker is not None:
                    self._memory.note(worker, decision.low)
                case outcomes.CheckCluster():
                    self._watch.check_now()

    def keep(self, decision: Keep, worker: Worker | None) -> None:
        """Keep what has finished of a chunk, and report it to whoever wants to know."""
        chunk, result = decision.chunk, decision.result
        self._results.keep(chunk.start, result)
        if worker is not None:
            self._results.progress.trace.add(
                chunk.start,
                result.seconds[: result.count],
                result.started,
                result.wall,
                worker.id,
                worker.host,
                1 + len(chunk.attempts) + len(chunk.losses),
                worker.info.get("pid"),
                result.peaks,
            )
        self._backlog.sizer.observe(result.seconds, chunk.bytes_for(result.count))
        if self._on_chunk is not None and worker is not None:
            self._on_chunk(chunk.start, result, worker)

    def _fail(self, decision: Fail, worker: Worker | None) -> None:
        self._results.fail(decision.index, decision.element, decision.failure, worker)
        if self._policy.stop_on_error:
            self._backlog.truncate_at(min(self._results.failures))
