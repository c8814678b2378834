"""Sending: the next chunk for an engine that has room, pickled and within its size."""

from __future__ import annotations

import time
from collections.abc import Callable

from parallelflow.data.shared_values import SharedValues
from parallelflow.engine import payload
from parallelflow.engine.remote_failure import failure_of
from parallelflow.progress import RunState

from .backlog import Backlog
from .chunks import Chunk
from .memory_watch import MemoryWatch
from .outcomes import Decision, judge_unsendable
from .policy import ElementPolicy
from .results import Results
from .worker import Worker
from .workers import Workers

__all__ = ["Sender"]

# How long chunks are made before somebody else has a turn: pickling may fail for thousands.
DISPATCH_SECONDS = 0.05
# An engine that has answered so short a time ago lives. Others are asked first before an element
# goes there that may end engines: it takes seconds until the end of one is noticed.
RECENT_SECONDS = 0.1

Apply = Callable[[list[Decision], None], None]


class Sender:
    """Sends a run's chunks to its engines.

    Parameters
    ----------
    backlog : Backlog
        What waits.
    workers : Workers
        The engines.
    results : Results
        What has come back.
    key : str
        The run's key.
    shared : SharedValues
        The run's files in shared memory.
    policy : ElementPolicy
        What becomes of elements that fail or take long.
    memory : MemoryWatch
        Says which engines may begin with an element.
    """

    def __init__(
        self,
        backlog: Backlog,
        workers: Workers,
        results: Results,
        key: str,
        shared: SharedValues,
        policy: ElementPolicy,
        memory: MemoryWatch,
    ) -> None:
        self._backlog = backlog
        self._workers = workers
        self._results = results
        self._key = key
        self._shared = shared
        self._policy = policy
        self._memory = memory

    def dispatch(self, apply: Apply) -> bool:
        """Send a chunk to every engine that has room for one; the idle ones first.

        Parameters
        ----------
        apply : callable
            Called with decisions about elements that cannot be sent, and None for no engine.

        Returns
        -------
        bool
            False if it has taken long, and there may be more to send.
        """
        ready = self._workers.ready()
        trusted = self._workers.trusted()
        engines = len(ready) + len(trusted)
        end = time.monotonic() + DISPATCH_SECONDS
        shared = any(worker.shares_memory for worker in ready)
        for depth in range(2 if self._backlog.may_prefetch(engines, shared) else 1):
            for worker in ready if depth else [*ready, *trusted]:
                while len(worker.jobs) <= depth:
                    if time.monotonic() > end:
                        return False
                    chunk = self._next_chunk(engines, worker)
                    if chunk is None:
                        break
                    if not self._send(worker, chunk, apply):
                        break
        return True

    def _next_chunk(self, engines: int, worker: Worker) -> Chunk | None:
        if not self._memory.may_begin(worker):
            return None
        if not self._workers.would_finish(worker, self._backlog.sizer.mean_seconds):
            return None
        idle = not self._workers.are_busy()
        engine = worker.id if self._workers.has_others(worker) else None
        shared = worker.shares_memory
        chunk = self._backlog.next(engines, self._results.finished, idle, engine, shared)
        if chunk is not None:
            self._results.make_room(chunk.last)
        return chunk

    def _send(self, worker: Worker, chunk: Chunk, apply: Apply) -> bool:
        """Send a chunk, or as much of it as fits into a message.

        Returns
        -------
        bool
            False if the worker cannot take it now.
        """
        if chunk.alone and worker.quiet_for > RECENT_SECONDS:
            # The end of an engine that has died before, unnoticed, must not count against it.
            return self._try(worker, chunk, lambda w: w.probe(chunk))
        return self.send_now(worker, chunk, apply)

    def send_now(self, worker: Worker, chunk: Chunk, apply: Apply) -> bool:
        """Send a chunk as `dispatch` does, also one whose engine had to be probed before."""
        while True:
            try:
                packing = payload.pack(chunk.elements)
            except (Exception, SystemExit) as e:
                apply(judge_unsendable(chunk, failure_of(e, "pickle")), None)
                return True
            chunk.nbytes = packing.nbytes
            count = len(chunk.elements)
            most = self._backlog.sizer.most_bytes(
                len(self._workers.ready()) or 1, worker.shares_memory
            )
            fits = max(count * most // max(chunk.nbytes, 1), 1)
            if fits >= count:
                break
            self._backlog.requeue(chunk.rest(fits))
            chunk = chunk.first(fits)
        shares = worker.shares_memory
        frames = self._shared.frames(packing, one_reader=True) if shares else packing.frames()
        if not worker.may_be_sent(frames):
            self._put_back(chunk)
            return False
        hold = self._memory.others_work(worker)
        if self._try(worker, chunk, lambda w: w.send(chunk, self._key, self._policy, hold, frames)):
            return True
        self._shared.discard(frames)
        return False

    def _try(self, worker: Worker, chunk: Chunk, send: Callable[[Worker], object]) -> bool:
        if self._workers.try_to_send(worker, send):
            if self._results.progress.state is RunState.PREPARING:
                self._results.progress.enter(RunState.RUNNING)
            return True
        self._put_back(chunk)
        return False

    def _put_back(self, chunk: Chunk) -> None:
        (self._backlog.quarantine if chunk.alone else self._backlog.requeue)(chunk)
