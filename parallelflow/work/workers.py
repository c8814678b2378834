"""The engines that take part in a run: set-up, engines that are lost, and when none is left.

It is one file, though a long one: what is known of the engines has one owner.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from parallelflow.engine.remote_failure import failure_of
from parallelflow.engine_manager.elastic.policy import is_near_end
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import SetupFailed
from parallelflow.progress import Progress
from parallelflow.trace import Sent

from .chunks import Chunk
from .losses import MAX_DEATHS, Loss
from .outcomes import MAX_INTERRUPTS, says_engine_died, says_not_shared, was_interrupted
from .sent_function import SentFunction
from .worker import Reply, Worker, WorkerState

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["Workers"]

# What an engine had sent before it died may still be on its way through the hub.
GRACE_SECONDS = 0.3
# So long engines are replaced that have loaded a module in another state, and waited for: a start
# gives up earlier, and two sessions must not replace engines in turn for ever.
OTHER_STATE_SECONDS = 180.0

logger = logging.getLogger(__name__)


class Workers:
    """The engines of a cluster, as a run uses them.

    Parameters
    ----------
    client : ipyparallel.Client
        Connection to the cluster's controller.
    pool : EnginePool
        The owner of the engines.
    function : SentFunction
        The run's function.
    progress : Progress
        Where engines that take part are counted, and lines worth showing announced.
    reply : callable
        Called with each answer of an engine; see `Worker`.

    Attributes
    ----------
    client : ipyparallel.Client
        The connection that is used now.
    hosts : set of str
        The machines whose engines take part.
    why_taken_away : str
        What is known of why the last engine was that was taken away; may be empty.
    """

    def __init__(
        self,
        client: ipyparallel.Client,
        pool: EnginePool,
        function: SentFunction,
        progress: Progress,
        reply: Reply,
    ) -> None:
        self.client = client
        self._pool = pool
        self._function = function
        self._progress = progress
        self._reply = reply
        self._workers: dict[int, Worker] = {}
        self.hosts: set[str] = set()
        self._start_over()

    def _start_over(self) -> None:
        self._setup_deaths = 0
        self._setup_failed: SetupFailed | None = None
        self._nobody_since: float | None = None
        self._other_state_since: float | None = None
        self._told_of_jobs = ""
        self.why_taken_away = ""

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def ready(self) -> list[Worker]:
        """Return the engines that the function is set up on."""
        return [w for w in self._workers.values() if w.state is WorkerState.READY]

    def has_others(self, worker: Worker) -> bool:
        """Return True if there are engines beside one that get, or will get, work of the run."""
        takes_part = (WorkerState.READY, WorkerState.SETTING_UP)
        return any(
            w is not worker and w.state in takes_part and not w.is_late
            for w in self._workers.values()
        )

    def silent(self) -> list[Worker]:
        """Return the engines that have not answered to the function."""
        asked = [w for w in self._workers.values() if w.state is WorkerState.SETTING_UP]
        return [w for w in asked if w.unanswered]

    def trusted(self) -> list[Worker]:
        """Return the engines that the function is on its way to, and a chunk may follow."""
        return [w for w in self._workers.values() if w.is_trusted]

    def are_busy(self) -> bool:
        """Return True if any of them has a chunk."""
        return any(worker.jobs for worker in self._workers.values())

    def are_excluded(self) -> bool:
        """Return True if none of them gets work of the run; also if there are none.

        One that is being stopped will not answer to its function any more.
        """
        return all(
            w.state is WorkerState.EXCLUDED
            or (w.state is WorkerState.SETTING_UP and self._pool.retired(w.id))
            for w in self._workers.values()
        )

    def were_stopped(self) -> bool:
        """Return True if this session has ended the cluster on purpose."""
        return self._pool.stopped()

    def sent(self) -> list[Sent]:
        """Return what the engines have and have not answered, in the order in which they got it."""
        return [
            Sent(chunk.start, len(chunk.elements), worker.id, worker.host or "", not position)
            for worker in self
            for position, chunk in enumerate(list(worker.jobs))
        ]

    # -- set-up -------------------------------------------------------------------------

    def add_new(self) -> None:
        """Set the function up on engines that have joined, and where it may have been lost."""
        for engine in self.client.ids:
            worker = self._workers.get(engine)
            if worker is None:
                if self._pool.retired(engine) or self._pool.taken_away(engine):
                    continue
                worker = self._workers[engine] = Worker(self.client, engine, self._reply)
            elif not (worker.awaits_copy or worker.is_setup_overdue()):
                continue
            self.set_up(worker)

    def set_up(self, worker: Worker) -> None:
        """Send the function to an engine."""
        if worker.state is WorkerState.READY:
            worker.state = WorkerState.SETTING_UP
        self.try_to_send(worker, self._function.set_up)

    def set_up_again(self, worker: Worker) -> None:
        """Send the function to an engine that does not have it any more.

        Nothing if it has just been sent, or found to be of no use there. No chunk follows it at
        once: one that has come too late would come too late again.
        """
        worker.trust(None)
        if worker.state is WorkerState.READY:
            self.set_up(worker)

    def try_to_send(self, worker: Worker, send: Callable[[Worker], object]) -> bool:
        """Send something to an engine; return False if it has just left."""
        try:
            send(worker)
        except Exception as e:
            # `remove_lost` deals with what it had.
            logger.debug("nothing can be sent to engine %d: %r", worker.id, e)
            return False
        return True

    def handle_setup(
        self, worker: Worker, reply: dict[str, Any] | None, error: BaseException | None
    ) -> None:
        """Handle the answer to `set_up`: what the engine tells, or an error.

        Raises
        ------
        SetupFailed
            If the function cannot be set up on any engine.
        """
        if self._workers.get(worker.id) is not worker:
            return  # it has been removed meanwhile
        if error is not None and says_engine_died(error):
            worker.mark_gone()
            return
        if worker.state in (WorkerState.READY, WorkerState.EXCLUDED):
            return  # it was sent twice, and has answered before
        worker.unanswered = 0
        failure = failure_of(error, "setup") if error is not None else None
        worker.trust(None)
        if reply is not None:
            worker.info, failure = reply, reply["failure"]
            worker.note_clock(reply["time"])
            tried = worker.shares_memory, worker.shares_copy
            worker.shares_memory = reply["shares_memory"]
            if failure is not None and says_not_shared(failure) and any(tried):
                # What it was sent was a file of this session's, or one of another engine's.
                worker.shares_memory, worker.shares_copy = False, tried[0] and tried[1]
                self.set_up(worker)
                return
        interrupted = failure is not None and failure.error_type == "KeyboardInterrupt"
        if interrupted or was_interrupted(error):
            # Somebody meant what the engine worked at before, or after.
            worker.setup_interrupts += 1
            if worker.setup_interrupts <= MAX_INTERRUPTS:
                self.set_up(worker)
                return
        if failure is None:
            self._accept(worker)
            return
        self.exclude(worker)
        message = failure.message
        if failure.error_type == "ModuleUnusable" and self._replace_other_state(worker):
            self._progress.warn(f"{worker} is being replaced: {message}.")
        else:
            if failure.error_type == "ModuleUnusable":
                message = f"{message}: stop this engine, and start a new one"
            self._progress.warn(f"{worker} takes no part: {message}")
        why = SetupFailed(worker.id, worker.host, failure.error_type, message)
        self._setup_failed = why
        if self.are_excluded() and not self._awaits_replacement():
            raise why

    def _replace_other_state(self, worker: Worker) -> bool:
        """Replace an engine that has loaded a module in another state: a new process can load it.

        Returns
        -------
        bool
            Whether that is under way, which it is not for somebody else's engine.
        """
        since = self._other_state_since
        if since is not None and time.monotonic() - since > OTHER_STATE_SECONDS:
            return False
        if not self._pool.replace(worker.id) and not self._pool.retired(worker.id):
            return False
        self._other_state_since = since or time.monotonic()
        return True

    def _awaits_replacement(self) -> bool:
        """Return True if an engine is being started in the place of one with another module."""
        since = self._other_state_since
        if since is None or time.monotonic() - since > OTHER_STATE_SECONDS:
            return False
        return self._pool.expected()

    def _accept(self, worker: Worker) -> None:
        worker.mark_ready()
        for note in worker.info.get("notes", ()):
            self._progress.warn(f"{worker}: {note}")
        self._progress.engines.add(worker.id)
        self._progress.trace.note(f"{worker} takes part")
        self.hosts.update(filter(None, [worker.host]))

    def exclude(self, worker: Worker) -> None:
        """Give an engine no more work of the run.

        It stays known, so that the function is not sent to it again.
        """
        worker.state = WorkerState.EXCLUDED

    # -- losses -------------------------------------------------------------------------

    def remove_lost(self) -> Iterator[tuple[Worker, Loss]]:
        """Yield the engines that have gone, each with why, after removing it.

        Raises
        ------
        SetupFailed
            If setting the function up has ended engines, and works on none.
        """
        present = set(self.client.ids)
        for worker in self:
            is_back = worker.id in present and not self._pool.taken_away(worker.id)
            if is_back and not worker.is_gone:
                continue
            worker.mark_gone()
            if worker.gone_for < GRACE_SECONDS:
                continue
            # One that is listed again after its end was told begins anew, if it is there at all.
            loss = Loss.TAKEN_AWAY if is_back else self._find_loss(worker.id)
            if loss is None:
                continue  # it is being found out
            del self._workers[worker.id]
            self.why_taken_away = self._pool.why(worker.id) or self.why_taken_away
            if loss is Loss.CRASHED and worker.state is WorkerState.LOST_IN_SETUP:
                self._count_setup_death(worker)
            yield worker, loss

    def would_finish(self, worker: Worker, seconds: float | None) -> bool:
        """Return False if an engine's wall time ends before it could finish an element.

        Not in the first half of its time: elements that need most of it are to begin at some time.

        Parameters
        ----------
        worker : Worker
            The engine.
        seconds : float or None
            How long an element takes; None if that is not known.
        """
        left, used = self._pool.seconds_left(worker.id)
        return not is_near_end(left, used, seconds or 0.0)

    def _find_loss(self, engine: int) -> Loss | None:
        """Return why an engine has left, None while that is being found out."""
        if self._pool.retired(engine):
            return Loss.STOPPED
        if self._pool.taken_away(engine):
            return Loss.TAKEN_AWAY
        if self._pool.frozen(engine):
            return Loss.FROZEN
        crashed = self._pool.crashed(engine)
        if crashed is None:
            return None
        return Loss.CRASHED if crashed else Loss.TAKEN_AWAY

    def _count_setup_death(self, worker: Worker) -> None:
        """Count an engine that ended while the function was set up; give up after two."""
        self._setup_deaths += 1
        if self._setup_deaths >= MAX_DEATHS and not self._progress.engines:
            why = f"setting the function up ended {self._setup_deaths} engines"
            raise SetupFailed(worker.id, worker.host, "EngineLost", why)
        self._pool.replace(worker.id)

    def seconds_without_any(self) -> float:
        """Return for how long no engine could do the run's work and none was being started."""
        if self.are_excluded() and not self._workers and self._wait_for_jobs():
            self._nobody_since = None
            return 0.0
        since = self._other_state_since
        waited = since is not None and time.monotonic() - since > OTHER_STATE_SECONDS
        if not self.are_excluded() or (self._pool.expected() and not waited):
            self._nobody_since = None
            return 0.0
        now = time.monotonic()
        self._nobody_since = self._nobody_since or now
        return now - self._nobody_since

    def _wait_for_jobs(self) -> bool:
        """Return True if batch jobs will bring engines, and say what they are doing."""
        coming = self._pool.coming()
        if coming and coming != self._told_of_jobs:
            none = "No engine is left" if self._progress.engines else "No engine has joined yet"
            self._progress.warn(f"{none}; the work waits for those of {coming}.")
        self._told_of_jobs = coming
        return bool(coming)

    def raise_setup_failure(self) -> None:
        """Raise why the function cannot be set up, if there are engines and that is why."""
        if self._workers and self._setup_failed is not None:
            raise self._setup_failed

    def take_unbegun(self) -> list[Chunk]:
        """Take the chunks back that their engines, busy with something else, will not begin."""
        return [chunk for worker in self for chunk in worker.take_unbegun()]

    # -- the end ------------------------------------------------------------------------

    def take_chunks(self) -> list[Chunk]:
        """Remove the engines and return the chunks that they had, in an order to requeue them."""
        chunks = [chunk for worker in self for chunk in list(worker.jobs)[::-1]]
        for worker in self:
            worker.jobs.clear()
        self._workers.clear()
        return chunks

    def move_to(self, client: ipyparallel.Client) -> None:
        """Use the engines of another cluster; those of the one before are forgotten."""
        self._workers.clear()
        self.client = client
        self._start_over()

    def drop_function(self) -> list[Any]:
        """Remove the engines, which drop the function; return their unread AsyncResults."""
        unread: list[Any] = []
        for worker in self:
            self.try_to_send(worker, lambda w: unread.append(w.drop(self._function.key)))
        # They refer to the run and it to them: the values would stay until Python looks for cycles.
        self._workers.clear()
        return unread
