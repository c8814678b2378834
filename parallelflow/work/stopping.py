"""Stopping what a run's engines do for it: all of it, or what comes after a failed element."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from typing import Any

from parallelflow.engine import payload
from parallelflow.engine_manager.connection.client_cache import forget
from parallelflow.engine_manager.engine_pool import EnginePool

from .chunks import Chunk
from .interrupt import Event, drop_waiting, interrupt
from .outcomes import Keep, keep_finished
from .worker import Worker
from .workers import Workers

__all__ = ["Stopper"]

Handle = Callable[[Worker, Chunk | None, Any], None]
KeepFinished = Callable[[Keep, Worker], None]


class Stopper:
    """Interrupts a run's engines, which keep running, and keeps what they have finished.

    Parameters
    ----------
    pool : EnginePool
        The owner of the engines.
    workers : Workers
        The engines.
    events : queue
        Where answers arrive.
    """

    def __init__(
        self, pool: EnginePool, workers: Workers, events: queue.SimpleQueue[Event]
    ) -> None:
        self._pool = pool
        self._workers = workers
        self._events = events

    def stop_after(self, index: int, handle: Handle, keep: KeepFinished) -> None:
        """End what engines do after a failed element; what comes before it is still finished.

        The serial Map would have stopped at the lowest failing index, which may be below.

        Parameters
        ----------
        index : int
            The element's index.
        handle, keep
            As `interrupt` has them.
        """
        busy = [w for w in self._workers if w.jobs]
        late = [w for w in busy if all(chunk.start > index for chunk in w.jobs)]
        stuck = self.interrupt(late, handle, keep)
        for worker in late:
            if worker.id in stuck:
                # Another one is started in its place if this session has started it.
                self._workers.exclude(worker)
                self._pool.replace(worker.id)
        drop_waiting(self._workers.client, self._workers, index)

    def interrupt(self, workers: list[Worker], handle: Handle, keep: KeepFinished) -> list[int]:
        """End what engines are doing for this run; return the ids of those that hang.

        Parameters
        ----------
        workers : list of Worker
            The engines.
        handle : callable
            Called with each answer that is not of an interrupted chunk.
        keep : callable
            Called with what an interrupted chunk has finished, and its engine.
        """

        def handle_event(worker: Worker, chunk: Chunk | None, answer: Any) -> None:
            if worker not in workers or chunk is None:
                handle(worker, chunk, answer)
            elif worker.jobs.pop(chunk, None) is not None:
                self._keep_finished(worker, chunk, answer, keep)

        return interrupt(
            self._workers.client, workers, self._events, handle_event, self._pool.relays
        )

    def _keep_finished(self, worker: Worker, chunk: Chunk, answer: Any, keep: KeepFinished) -> None:
        with contextlib.suppress(Exception, SystemExit):
            reply = answer.get(timeout=0)
            chunk.reply_nbytes = payload.travelled(reply)
            keep(keep_finished(chunk, payload.load(reply)), worker)
        forget(self._workers.client, answer)
