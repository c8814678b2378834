"""One run: a function and a list, spread over the engines of a cluster.

The client balances the load itself: each engine has at most one chunk running and one
waiting, and the next goes to whichever engine is free. That hides the messages'
latency, keeps set-up and chunks in order for each engine, and tells exactly which
elements an engine had when it died. Drive a run by calling `Run.poll` until
`Run.is_finished`; everything happens in the caller's thread. The file is long because it is the one
object that callers of every kind drive; what it does is in the parts that it wires.
"""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from parallelflow.engine import payload, session_state
from parallelflow.engine_manager.connection.client_cache import evict_when_done, forget
from parallelflow.engine_manager.connection.user_interrupts import is_user_interrupt
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import ElementFailure
from parallelflow.progress import RunState

from . import outcomes
from .actions import Actions, OnChunk
from .backlog import Backlog
from .chunks import Chunk
from .cluster_watch import ClusterWatch
from .element_source import ElementSource
from .interrupt import Event, queue_events
from .losses import Loss, judge_loss, requeue_unread
from .memory_watch import MemoryWatch
from .outcomes import Decision, Interrupter
from .output import Written
from .policy import DEFAULT_POLICY, ElementPolicy
from .results import Results
from .retries import with_retries
from .sending import Sender
from .sent_function import SentFunction, shared_values_of
from .stopping import Stopper
from .worker import Worker, WorkerState
from .workers import Workers

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["Run"]

# How long answers that have come are handled before the caller has its turn: a window that shows
# the run turns its event loop in between.
HANDLE_SECONDS = 0.01

# While no engine answers, this process computes for so long before it looks for answers again.
HERE_SECONDS = 0.5


class Run:
    """A function mapped over elements on the engines of a cluster.

    Parameters
    ----------
    client : ipyparallel.Client
        Connection to a controller with at least one engine.
    maker : callable
        Importable on engines; ``maker(*arguments)`` returns the function there (see
        `parallelflow.engine.runner.ElementFunction`).
    arguments : tuple
        What the maker gets; sent once to each engine.
    elements : iterable or ElementSource
        The elements; a list, anything iterable, or a source of them.
    label : str
        What the user calls the run.
    chunk_size : int, optional
        Elements per chunk, at least 1; by measured time if not given.
    policy : ElementPolicy
        What becomes of elements that fail or take long.
    on_chunk : callable, optional
        Called with (index of the first element, `ChunkResult`, `Worker`) for each chunk that
        comes back, in no particular order.
    on_output : callable, optional
        Called with (index, position, what was written, whether it has finished) for elements that
        take long, as `parallelflow.work.output.OutputOrder.add_early` has it.
    pool : EnginePool, optional
        The owner of the engines; whether the cluster lives is asked every second.
    ahead : int, optional
        At most so many elements are taken and not yet finished; enough for the engines if None.
    finished : dict of int to object, optional
        Values of elements that an earlier run has finished, by index; not run again.

    Attributes
    ----------
    values : list
        The elements' values by index; None where there is none.
    failures : dict of int to ElementFailure
        The failed elements, by index.
    deferred : set of int
        Elements that have to be run by the client itself.
    progress : Progress
        The numbers of elements and engines.
    workers : Workers
        The engines that take part.

    Raises
    ------
    WorkingDirectoryGone
        If this session's working directory has been deleted.
    Exception
        If maker or arguments cannot be pickled.
    """

    def __init__(
        self,
        client: ipyparallel.Client,
        maker: Callable[..., Any],
        arguments: tuple[Any, ...],
        elements: Iterable[Any] | ElementSource,
        label: str,
        *,
        chunk_size: int | None = None,
        policy: ElementPolicy = DEFAULT_POLICY,
        on_chunk: OnChunk | None = None,
        on_output: Callable[[int, int, Written, bool], None] | None = None,
        pool: EnginePool | None = None,
        ahead: int | None = None,
        finished: dict[int, Any] | None = None,
    ) -> None:
        state = session_state.capture()
        key = uuid.uuid4().hex
        self._shared = shared_values_of(key)
        packing = payload.pack((maker, arguments))
        function = SentFunction(key, state.dump(), packing, self._shared)
        self._pool = pool or EnginePool()
        self._policy = policy
        self._on_output = on_output
        self._ended_together = False
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._backlog = Backlog(elements, finished or (), chunk_size, ahead)
        self._results = Results(label, self._backlog.source.total or 0, finished or {})
        self.values = self._results.values
        self.failures = self._results.failures
        self.deferred = self._results.deferred
        self.progress = self._results.progress
        self.workers = Workers(
            client, self._pool, function, self.progress, queue_events(self._events)
        )
        self.progress.remember()
        sent = weakref.WeakMethod(self.workers.sent)
        self.progress.trace.sent = lambda: (sent() or list)()
        self._memory = MemoryWatch(self.workers, self.progress)
        self._sender = Sender(
            self._backlog, self.workers, self._results, key, self._shared, policy, self._memory
        )
        # None of these refers to the run: with a cycle, Python would free the values late.
        self._stopper = Stopper(self._pool, self.workers, self._events)
        self._watch = ClusterWatch(self._pool, self.workers, self._backlog, self._results)
        self._actions = Actions(
            self._backlog, self._results, self.workers, self._watch, self._memory, policy, on_chunk
        )
        self.progress.announce()
        for note in state.notes:
            self.progress.warn(note)
        evict_when_done(client, [])

    # -- what the caller drives ---------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.progress.state.is_finished

    @property
    def feed_error(self) -> Exception | None:
        """What making an element has raised."""
        return self._backlog.source.error

    @property
    def done(self) -> set[int]:
        """Indices of the elements with a value."""
        return self._results.done

    @property
    def hosts(self) -> set[str]:
        """The machines whose engines have taken part."""
        return self.workers.hosts

    def poll(self, seconds: float) -> None:
        """Send what can be sent and handle what has come back.

        Parameters
        ----------
        seconds : float
            How long to wait for something to come back.

        Raises
        ------
        ClusterLost
            If the cluster or its last engine has gone.
        SetupFailed
            If the function cannot be set up on any engine.
        """
        if self.is_finished:
            return
        self._memory.look()
        self.workers.add_new()
        all_sent = self._sender.dispatch(self._actions.apply)
        with contextlib.suppress(queue.Empty):
            self._handle(*self._events.get(timeout=seconds if all_sent else 0))
            until = time.monotonic() + HANDLE_SECONDS
            while time.monotonic() < until:
                self._handle(*self._events.get_nowait())
        if self._policy.stop_on_error and self.failures:
            self._stopper.stop_after(min(self.failures), self._handle, self._actions.keep)
        self._take_early_output()
        if not self._events.empty():  # an engine that seems lost may have answered
            self._sender.dispatch(self._actions.apply)
            return
        self._watch.check()
        self._requeue_lost_chunks()
        if self._watch.is_abandoned() and self._is_open():
            if not (self._policy.stop_on_error and self.failures):
                self._watch.give_up(self._actions.apply)
            self._finish(RunState.FAILED)
            return
        self._sender.dispatch(self._actions.apply)
        if not self._is_open():
            self._finish(RunState.FAILED if self.failures else RunState.DONE)

    def cancel(self) -> list[int]:
        """Drop what is queued, interrupt what is running, drop the function everywhere.

        Returns
        -------
        list of int
            Ids of the engines that did not answer within a second, though they had a core: they
            are stuck in code that cannot be interrupted.
        """
        if self.is_finished:
            return []
        self._backlog.truncate_at(0)
        stuck = self._stopper.interrupt(list(self.workers), self._handle, self._actions.keep)
        self._finish(RunState.CANCELLED)
        return stuck

    @property
    def may_end_engines(self) -> bool:
        """Return True if one of the elements left is known to have been there when an engine ended.

        Such an element is not to be run in the session's own process.
        """
        return self._ended_together or bool(self._backlog.suspected())

    def move_to(self, client: ipyparallel.Client) -> None:
        """Go on with another cluster, after the one there was has gone.

        Parameters
        ----------
        client : ipyparallel.Client
            Connection to a controller with at least one engine.
        """
        self._backlog.requeue_all(self.workers.take_chunks())
        self.workers.move_to(client)
        self._watch.start_over()
        evict_when_done(client, [])

    def take_rest(self) -> Iterator[tuple[int, Any]]:
        """Yield index and element of all that has not finished, for the caller to evaluate.

        For a run whose cluster has gone. The caller puts the values into `values`, and calls
        `finish_here` at the end.
        """
        self._backlog.requeue_all(self.workers.take_chunks())
        while (chunk := self._backlog.pop()) is not None:
            self._results.make_room(chunk.last)
            for index, element in enumerate(chunk.elements, chunk.start):
                yield index, element.value if isinstance(element, payload.Pickled) else element

    def take_unanswered(self) -> Iterator[tuple[int, Any]]:
        """Yield index and element of what the caller is to evaluate while no engine answers.

        Nothing as long as engines do the work; otherwise single elements for `HERE_SECONDS`. The
        caller hands each result to `keep_here`, and polls again then: an engine may have answered.
        """
        until = time.monotonic() + HERE_SECONDS
        while not self.is_finished and self._watch.is_work_done_here() and time.monotonic() < until:
            chunk = self._backlog.pop_one()
            if chunk is None:
                return
            if self.progress.state is RunState.PREPARING:
                self.progress.enter(RunState.RUNNING)
            self._results.make_room(chunk.last)
            [element] = chunk.elements
            yield chunk.start, element.value if isinstance(element, payload.Pickled) else element

    def keep_here(self, index: int, value: Any, failure: ElementFailure | None = None) -> None:
        """Keep what the caller has evaluated: an element's value, or why it has failed."""
        self._results.keep_here(index, value, failure)
        if failure is not None and self._policy.stop_on_error:
            self._backlog.truncate_at(min(self.failures))
        self.progress.announce()

    @property
    def silent(self) -> list[int]:
        """Ids of the engines that have not answered, if no other does the work; ascending."""
        return [] if self.workers.ready() else sorted(w.id for w in self.workers.silent())

    def finish_here(self) -> None:
        """End a run whose rest the caller has evaluated, or is going to."""
        self._finish(RunState.FAILED if self.failures else RunState.DONE)

    # -- what comes back, and what does not ----------------------------------------------

    def _handle(self, worker: Worker, chunk: Chunk | None, answer: Any) -> None:
        """Handle one answer: of a set-up (chunk None) or of a chunk."""
        if self.is_finished:
            return
        reply, error = None, None
        try:
            reply = answer.get(timeout=0)
        except Exception as e:
            error = e
        forget(self.workers.client, answer)
        if chunk is None:
            self.workers.handle_setup(worker, reply, error)
        elif worker.jobs.get(chunk) is not None:
            if error is not None and outcomes.says_engine_died(error):
                worker.mark_gone(chunk)
                return
            worker.finish(chunk)
            if chunk.probing:  # whatever it has answered, it lives
                self._sender.send_now(worker, chunk, self._actions.apply)
                return
            decisions = self._judge(worker, chunk, reply, error)
            decisions = with_retries(decisions, chunk, self._policy.retries, worker.id, worker.host)
            self._actions.apply(decisions, worker)
            self.progress.announce()

    def _judge(
        self, worker: Worker, chunk: Chunk, reply: Any, error: Exception | None
    ) -> list[Decision]:
        def find_interrupter() -> Interrupter:
            if is_user_interrupt(self.workers.client, worker.id):
                return Interrupter.USER
            return Interrupter.OTHER if self._pool.alive() else Interrupter.SHUTDOWN

        if error is not None:
            return outcomes.judge_error(chunk, error, find_interrupter)
        chunk.reply_nbytes = payload.travelled(reply)
        return outcomes.judge_reply(chunk, reply, find_interrupter)

    def _take_early_output(self) -> None:
        if self._on_output is not None:
            for worker in self.workers:
                for each in worker.take_early_output():
                    self._on_output(*each)

    def _requeue_lost_chunks(self) -> None:
        """Requeue the chunks of engines that have gone, or are busy with something else."""
        self._actions.apply(requeue_unread(self.workers.take_unbegun()), None)
        for worker, loss in self.workers.remove_lost():
            chunks = list(worker.jobs)
            worker.jobs.clear()
            if worker.state is WorkerState.LOST_IN_SETUP:
                self._actions.apply(requeue_unread(chunks), worker)
                continue
            limit = self._policy.time_limit
            killed = self._memory.killed(worker) if loss is Loss.CRASHED else ""
            decisions = judge_loss(chunks, worker.id, loss, worker.gone_at, limit, killed)
            self._actions.apply(decisions, worker)
            if chunks and loss is not Loss.STOPPED:
                how = killed or "lost"
                if loss is Loss.TAKEN_AWAY:
                    why = self._pool.why(worker.id)
                    self._ended_together |= self._pool.ended_together(worker.id)
                    how = f"taken away ({why})" if why else "taken away"
                where = "alone, when the others have ended" if killed else "elsewhere"
                self.progress.warn(f"{worker} was {how}; its elements run again {where}")
                self._pool.replace(worker.id)

    def _is_open(self) -> bool:
        """Return True if any element is still to be sent or to come back."""
        return bool(self._backlog) or self.workers.are_busy()

    def _finish(self, state: RunState) -> None:
        """End the run in a state; engines drop its function."""
        unread = self.workers.drop_function()
        self._shared.close()
        if state is RunState.DONE:
            del self.values[self._backlog.source.taken :]
        self.progress.enter(state)
        evict_when_done(self.workers.client, unread)
