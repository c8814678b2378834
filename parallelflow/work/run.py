"""One run: a function and a list, spread over the engines of a cluster.

The client balances the load itself: each engine has at most one chunk running and one
waiting, and the next goes to whichever engine is free. That hides the messages'
latency, keeps set-up and chunks in order for each engine, and tells exactly which
elements an engine had when it died. Drive a run by calling `Run.poll` until
`Run.over`; everything happens in the caller's thread.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import queue
import signal
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from parallelflow.engine import payload
from parallelflow.engine.runner import ChunkResult, Trouble, short, trouble_of
from parallelflow.errors import ClusterLost, ElementFailure, ParallelFlowError

from .chunks import CHUNK_SECONDS, Chunk, ChunkSizer, Feed
from .progress import Progress, RunState
from .worker import Worker

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["Run"]

# A chunk waits behind the running one so that an engine never idles for a round trip, but
# only while this many chunks' worth of work is left for each engine: at the end it
# would wait behind a long one while another engine is free.
AHEAD_CHUNKS = 4
# What an engine had sent before it died may still be on its way through the hub.
GRACE_SECONDS = 0.3
# After the last engine is gone, one that is being started may still come.
REPLACEMENT_SECONDS = 5.0
# An interrupted engine answers within 0.2 s (measured); one that does not is stuck in C code.
INTERRUPT_SECONDS = 1.0
# An interrupt may be swallowed by an element's own "except"; asked again, the chunk ends.
ASK_AGAIN_SECONDS = 0.4
# How often the cluster itself is asked whether it lives.
ALIVE_SECONDS = 1.0
# ipyparallel's AsyncResults refer to themselves. Of large results more than this would wait for
# Python to look for cycles, which it does by the number of objects, not by their size.
GARBAGE_BYTES = 64_000_000
# An element that ended this many engines is not given to another one.
MAX_DEATHS = 2

logger = logging.getLogger(__name__)

OnChunk = Callable[[int, ChunkResult, Worker], None]


class Run:
    """A function mapped over elements on the engines of a cluster.

    Parameters
    ----------
    client : ipyparallel.Client
        Connection to a controller with at least one engine.
    maker : callable
        Importable on engines; ``maker(*arguments)`` returns the function there (see
        `parallelflow.engine.runner.Prepared`).
    arguments : tuple
        What the maker gets; sent once to each engine.
    elements : iterable
        The elements; a list or anything iterable.
    label : str
        What the user calls the run.
    chunk_size : int, optional
        Elements per chunk, at least 1; by measured time if not given.
    stop_on_error : bool
        Whether the first failed element ends the run (those before it are still finished),
        or the others are finished first.
    on_chunk : callable, optional
        Called with (index of the first element, `ChunkResult`, `Worker`) for each chunk that
        comes back, in no particular order.
    alive : callable, optional
        Whether the cluster still lives; asked every `ALIVE_SECONDS`.
    ahead : int, optional
        At most so many elements are taken and not yet finished; as many as keep the engines
        busy if not given.
    on_lost : callable, optional
        Called with the id of an engine that was lost while it worked; may start another one,
        must return at once.
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
    done : set of int
        Indices of the elements with a value.

    Raises
    ------
    Exception
        If maker or arguments cannot be pickled.
    """

    def __init__(
        self,
        client: ipyparallel.Client,
        maker: Callable[..., Any],
        arguments: tuple[Any, ...],
        elements: Iterable[Any],
        label: str,
        *,
        chunk_size: int | None = None,
        stop_on_error: bool = True,
        on_chunk: OnChunk | None = None,
        alive: Callable[[], bool] | None = None,
        ahead: int | None = None,
        on_lost: Callable[[int], object] | None = None,
        finished: dict[int, Any] | None = None,
    ) -> None:
        self._client = client
        self._function = payload.dump((maker, arguments))
        self._key = uuid.uuid4().hex
        self._sizer = ChunkSizer(chunk_size)
        self._feed = Feed(elements, finished or ())
        self._stop_on_error = stop_on_error
        self._on_chunk = on_chunk
        self._alive = alive or (lambda: True)
        self._alive_at = time.monotonic()
        self._on_lost = on_lost or (lambda engine: None)
        self._setup_deaths = 0
        self._received = 0
        self._ahead = ahead
        self._workers: dict[int, Worker] = {}
        self._again: deque[Chunk] = deque()
        self._suspects: deque[Chunk] = deque()
        self._events: queue.SimpleQueue[tuple[Worker, Chunk | None, Any]] = queue.SimpleQueue()
        self._setup_trouble: dict[int, Trouble] = {}
        self._nobody_since: float | None = None
        self.values: list[Any] = [None] * (self._feed.total or 0)
        self.failures: dict[int, ElementFailure] = {}
        self.deferred: set[int] = set()
        self._finished = finished or {}
        self._former_hosts: set[str] = set()
        self._ranges: list[tuple[int, int]] = []
        for index, value in self._finished.items():
            self.values[index] = value
        self.progress = Progress(label, self._feed.total or 0, done=len(self._finished))
        self.progress.announce()
        _forget_unread(client)

    # -- what the caller drives ---------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.progress.state.over

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
        ParallelFlowError
            If the function cannot be set up on any engine.
        """
        if self.over:
            return
        self._meet_engines()
        self._dispatch()
        with contextlib.suppress(queue.Empty):
            self._handle(*self._events.get(timeout=seconds))
            while True:
                self._handle(*self._events.get_nowait())
        self._miss_engines()
        self._dispatch()
        if not self._open():
            self._finish(RunState.FAILED if self.failures else RunState.DONE)

    @property
    def hosts(self) -> set[str]:
        """The machines whose engines have taken part."""
        return {w.host for w in self._workers.values() if w.host} | self._former_hosts

    @property
    def done(self) -> set[int]:
        """Indices of the elements with a value."""
        done = set(self._finished)
        for start, count in self._ranges:
            done.update(range(start, start + count))
        return done - self.failures.keys() - self.deferred

    def cancel(self) -> list[int]:
        """Drop what is queued, interrupt what is running, forget the run everywhere.

        Returns
        -------
        list of int
            Ids of the engines that did not answer within `INTERRUPT_SECONDS`: they are
            stuck in code that cannot be interrupted.
        """
        if self.over:
            return []
        self._feed.close()
        self._again.clear()
        self._suspects.clear()
        stuck = self._interrupt(list(self._workers.values()))
        self._finish(RunState.CANCELLED)
        return stuck

    # -- engines ------------------------------------------------------------------------

    def _meet_engines(self) -> None:
        """Set the function up on engines that have joined."""
        for engine in self._client.ids:
            if engine not in self._workers:
                worker = Worker(self._client, engine, self._hand_over)
                self._workers[engine] = worker
                self._try_to_send(worker, lambda w: w.set_up(self._key, self._function))

    def _hand_over(self, worker: Worker, chunk: Chunk | None, answer: Any) -> None:
        self._events.put((worker, chunk, answer))

    def _try_to_send(self, worker: Worker, send: Callable[[Worker], None]) -> bool:
        try:
            send(worker)
        except Exception as e:
            # It has just left; the next look at the engines deals with what it had.
            logger.debug("nothing can be sent to engine %d: %r", worker.id, e)
            return False
        return True

    def _miss_engines(self) -> None:
        """Send the chunks of engines that are gone to others."""
        now = time.monotonic()
        if now - self._alive_at > ALIVE_SECONDS:
            self._alive_at = now
            if not self._alive():
                raise ClusterLost(f"the cluster went away with {self._left_text()}.")
        present = set(self._client.ids)
        for worker in list(self._workers.values()):
            if worker.id not in present and worker.missed(GRACE_SECONDS):
                del self._workers[worker.id]
                self._former_hosts.update(filter(None, [worker.host]))
                self._rescue(worker)
        if self._workers:
            self._nobody_since = None
        elif self._open():
            self._nobody_since = self._nobody_since or now
            if now - self._nobody_since > REPLACEMENT_SECONDS:
                self._give_up()

    def _give_up(self) -> None:
        """End a run that no engine is left for: with the elements that ended them, if known.

        Raises
        ------
        ClusterLost
            If the engines' end is none of the run's doing.
        """
        if any(failure.stage == "lost" for failure in self.failures.values()):
            self._finish(RunState.FAILED)
            return
        raise ClusterLost(
            f"the last engine went away with {self._left_text()}. "
            "Start new engine processes and run it again."
        )

    def _left_text(self) -> str:
        left = self.progress.total - self.progress.done - self.progress.failed
        return f"{left} of {self.progress.total} elements unfinished"

    def _rescue(self, worker: Worker) -> None:
        """Queue the elements of an engine that is gone, singly and as suspects."""
        if not worker.ready and worker.id not in self._setup_trouble:
            self._note_setup_death(worker)
        running = True
        for chunk in worker.jobs:
            if running:  # only the first one was being worked at
                chunk.deaths += 1
                running = False
            for single in chunk.singles():
                if single.deaths < MAX_DEATHS:
                    (self._suspects if single.deaths else self._again).append(single)
                else:
                    lost = Trouble("lost", "EngineLost", f"it ended {MAX_DEATHS} engines")
                    self._fail(single.start, single.elements[0], lost, worker)
        if worker.jobs:
            note = f"engine {worker.id} ({worker.host}) was lost; its elements run again elsewhere"
            logger.warning(note)
            self.progress.announce(note)
            self._on_lost(worker.id)
        worker.jobs.clear()

    def _note_setup_death(self, worker: Worker) -> None:
        """Note that an engine ended while the function was set up; give up after two."""
        self._setup_deaths += 1
        if self._setup_deaths >= MAX_DEATHS and not self.progress.engines:
            why = f"setting the function up ended {self._setup_deaths} engines"
            raise SetupFailed(worker, Trouble("lost", "EngineLost", why))
        self._on_lost(worker.id)

    # -- sending ------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give a chunk to every engine that has room for one; the idle ones first."""
        ready = [w for w in self._workers.values() if w.ready and w.gone_since is None]
        for depth in range(2 if self._look_ahead(len(ready)) else 1):
            for worker in ready:
                while len(worker.jobs) <= depth:
                    chunk = self._next_chunk(len(ready))
                    if chunk is None:
                        return
                    if not self._send(worker, chunk):
                        break

    def _look_ahead(self, engines: int) -> bool:
        left, mean = self._feed.left, self._sizer.mean_seconds
        if mean is None or self._again or self._suspects:
            return False
        return left is None or left * mean > AHEAD_CHUNKS * CHUNK_SECONDS * engines

    def _next_chunk(self, engines: int) -> Chunk | None:
        if self._again:
            return self._again.popleft()
        size = self._sizer.size(self._feed.left, engines)
        if self._ahead is not None:
            under_way = self._feed.taken - self.progress.done - self.progress.failed
            size = min(size, self._ahead - under_way)
        chunk = self._feed.take(size) if size > 0 else None
        if chunk is not None:
            if self._feed.total is None:
                self.values.extend([None] * len(chunk.elements))
                self.progress.total += len(chunk.elements)
            return chunk
        # What may end engines waits until the rest is safe.
        if self._suspects and not any(w.jobs for w in self._workers.values()):
            return self._suspects.popleft()
        return None

    def _send(self, worker: Worker, chunk: Chunk) -> bool:
        """Send a chunk; False if the worker cannot take it now."""
        try:
            frames = payload.dump(chunk.elements)
        except (Exception, SystemExit) as e:
            self._split(chunk, e)
            return True
        stop = self._stop_on_error
        if self._try_to_send(worker, lambda w: w.send(chunk, self._key, stop, frames)):
            if self.progress.state is RunState.PREPARING:
                self.progress.enter(RunState.RUNNING)
            return True
        self._again.appendleft(chunk)
        return False

    def _split(self, chunk: Chunk, error: BaseException) -> None:
        """Queue the elements of a chunk that cannot be pickled singly; fail a single one."""
        if len(chunk.elements) == 1:
            self._fail(chunk.start, chunk.elements[0], trouble_of(error, "pickle"), None)
        else:
            self._again.extendleft(reversed(list(chunk.singles())))

    # -- receiving ----------------------------------------------------------------------

    def _handle(self, worker: Worker, chunk: Chunk | None, answer: Any) -> None:
        """Handle one answer: of a set-up (chunk None) or of a chunk."""
        if self.over:
            return
        try:
            reply = answer.get(timeout=0)
            error = None
        except BaseException as e:
            reply, error = None, e
        _forget(self._client, answer)
        if chunk is None:
            self._handle_setup(worker, reply, error)
        elif worker.jobs.pop(chunk, None) is not None:
            if error is None:
                self._received += sum(memoryview(frame).nbytes for frame in reply)
                self._handle_result(worker, chunk, payload.load(reply))
            else:
                self._handle_error(worker, chunk, error)

    def _handle_setup(
        self, worker: Worker, reply: dict[str, Any] | None, error: BaseException | None
    ) -> None:
        if error is not None and _died(error):
            worker.missed(0)
            return
        trouble = trouble_of(error, "setup") if error is not None else None
        if reply is not None:
            worker.info, trouble = reply, reply["trouble"]
        if trouble is None:
            worker.ready = True
            self.progress.engines.add(worker.id)
            return
        self._setup_trouble[worker.id] = trouble
        # It stays known, so that it is not asked again, and never gets ready.
        note = f"engine {worker.id} ({worker.host}) takes no part: {trouble.message}"
        logger.warning(note)
        self.progress.announce(note)
        if len(self._setup_trouble) == len(self._workers):
            raise SetupFailed(worker, trouble)

    def _handle_result(self, worker: Worker, chunk: Chunk, result: ChunkResult) -> None:
        if result.unreadable is not None:
            if len(chunk.elements) == 1:
                self._fail(chunk.start, chunk.elements[0], result.unreadable, worker)
            else:
                self._again.extendleft(reversed(list(chunk.singles())))
            return
        start, count = chunk.start, result.count
        self.values[start : start + count] = result.values
        self._ranges.append((start, count))
        self._sizer.observe(count, result.wall)
        self.progress.done += count - len(result.troubles)
        self.progress.element_seconds += sum(result.seconds)
        if self._on_chunk is not None:
            self._on_chunk(start, result, worker)
        for position, trouble in result.troubles.items():
            self._fail(start + position, chunk.elements[position], trouble, worker)
        if count < len(chunk.elements) and not self.failures:
            self._again.append(chunk.rest(count))
        self.progress.announce()

    def _handle_error(self, worker: Worker, chunk: Chunk, error: BaseException) -> None:
        """Handle a chunk that has no result: its engine died, forgot the function, or worse."""
        if _died(error):
            worker.jobs[chunk] = None
            worker.missed(0)
        elif getattr(error, "ename", "") == "LookupError":
            worker.ready = False
            self._again.appendleft(chunk)
            self._try_to_send(worker, lambda w: w.set_up(self._key, self._function))
        elif len(chunk.elements) > 1:
            self._again.extendleft(reversed(list(chunk.singles())))
        else:
            self._fail(chunk.start, chunk.elements[0], trouble_of(error, "run"), worker)

    def _fail(self, index: int, element: Any, trouble: Trouble, worker: Worker | None) -> None:
        if trouble.stage == "client":
            self.deferred.add(index)
            return
        self.failures[index] = ElementFailure(
            index=index,
            total=self.progress.total,
            input=short(element),
            stage=trouble.stage,
            error_type=trouble.error_type,
            message=trouble.message,
            traceback=trouble.trace,
            engine=worker.id if worker else None,
            host=worker.host if worker else None,
            where=trouble.where,
            exception=trouble.exception,
        )
        self.progress.failed += 1
        if self._stop_on_error:
            self._stop_after(min(self.failures))

    def _stop_after(self, index: int) -> None:
        """Give up what comes after an element; what comes before it is still finished.

        The serial Map would have stopped at the lowest failing index, which may be below.
        """
        self._feed.close()
        for waiting in (self._again, self._suspects):
            kept = [chunk for chunk in waiting if chunk.start < index]
            waiting.clear()
            waiting.extend(kept)
        later = [
            w
            for w in self._workers.values()
            if w.jobs and all(chunk.start > index for chunk in w.jobs)
        ]
        self._interrupt(later)

    # -- stopping -----------------------------------------------------------------------

    def _open(self) -> bool:
        """Whether any element is still to be sent or to come back."""
        waiting = self._again or self._suspects or any(w.jobs for w in self._workers.values())
        return bool(waiting) or self._feed.left != 0

    def _interrupt(self, workers: list[Worker]) -> list[int]:
        """End what engines are doing for this run; the engines live on.

        Results that arrive meanwhile are taken. Returns the ids of those still busy.
        """
        busy = {w.id: w for w in workers if w.jobs}
        if not busy:
            return []
        answers = [
            answer for w in busy.values() for answer in w.jobs.values() if answer is not None
        ]
        # First what waits: an engine that is interrupted would begin it.
        with contextlib.suppress(Exception):
            self._client.abort(answers, targets=list(busy), block=False)
        begin = time.monotonic()
        asked = 0
        while any(w.jobs for w in busy.values()) and time.monotonic() - begin < INTERRUPT_SECONDS:
            if time.monotonic() - begin >= asked * ASK_AGAIN_SECONDS:
                # One that arrives between two elements is not lost, but code may swallow it.
                asked += 1
                self._send_interrupt([w.id for w in busy.values() if w.jobs])
            with contextlib.suppress(queue.Empty):
                self._take_interrupted(busy, *self._events.get(timeout=0.02))
        stuck = [w.id for w in busy.values() if w.jobs]
        for worker in busy.values():
            worker.jobs.clear()
        return stuck

    def _send_interrupt(self, engines: list[int]) -> None:
        """Send SIGINT by way of the engines' nannies, which works while they compute."""
        with contextlib.suppress(Exception):
            self._client.send_signal(signal.SIGINT, targets=engines, block=False)

    def _take_interrupted(
        self, busy: dict[int, Worker], worker: Worker, chunk: Chunk | None, answer: Any
    ) -> None:
        """Handle an answer while interrupting: of the interrupted, keep what had finished."""
        if worker.id not in busy or chunk is None:
            self._handle(worker, chunk, answer)
            return
        if worker.jobs.pop(chunk, None) is None:
            return
        with contextlib.suppress(Exception):
            result: ChunkResult = payload.load(answer.get(timeout=0))
            start, count = chunk.start, result.count
            self.values[start : start + count] = result.values
            self._ranges += [(start + i, 1) for i in range(count) if i not in result.troubles]
            if self._on_chunk is not None:
                self._on_chunk(chunk.start, result, worker)
        _forget(self._client, answer)

    def _finish(self, state: RunState) -> None:
        """End the run in a state; engines forget its function."""
        said = _unread.setdefault(self._client, [])
        for worker in self._workers.values():
            self._try_to_send(worker, lambda w: said.append(w.drop(self._key)))
            self._former_hosts.update(filter(None, [worker.host]))
        # They refer to the run and it to them: the values would stay until Python looks for cycles.
        self._workers.clear()
        self.progress.enter(state)
        _garbage[self._client] = _garbage.get(self._client, 0) + self._received
        if _garbage[self._client] > GARBAGE_BYTES:
            _garbage[self._client] = 0
            gc.collect()


class SetupFailed(ParallelFlowError):
    """The function cannot be set up on any engine.

    Parameters
    ----------
    worker : Worker
        An engine that failed.
    trouble : Trouble
        Why.
    """

    def __init__(self, worker: Worker, trouble: Trouble) -> None:
        self.trouble = trouble
        self.engine = worker.id
        self.host = worker.host
        super().__init__(
            f"engine {worker.id} ({worker.host or 'unknown host'}) cannot run the function: "
            f"{trouble.error_type}: {trouble.message}"
        )


def _died(error: BaseException) -> bool:
    """Whether an answer says that its engine has gone: the next look finds out more."""
    return "EngineError" in (getattr(error, "ename", ""), type(error).__name__)


# Answers that no run waits for, of engines told to forget its function.
_unread: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


# Bytes that runs have received since Python was last made to look for cycles.
_garbage: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def _forget_unread(client: ipyparallel.Client) -> None:
    """Forget the answers of earlier runs that have come since."""
    waiting = _unread.get(client, [])
    for answer in [a for a in waiting if a.done()]:
        waiting.remove(answer)
        _forget(client, answer)


def _forget(client: ipyparallel.Client, answer: Any) -> None:
    """Remove an answer from the client's caches, which otherwise keep every one for ever."""
    with contextlib.suppress(Exception):
        # In a list: an AsyncResult's truth is its length, which ipyparallel caches together
        # with the last 128 AsyncResults and all they hold (9.2, AsyncResult.__len__).
        client.purge_local_results([answer])
        for msg_id in answer.msg_ids:
            client.history.remove(msg_id)
