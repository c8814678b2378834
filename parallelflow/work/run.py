"""One run: a function and a list, spread over the engines of a cluster.

The client balances the load itself: each engine has at most one chunk running and one
waiting, and the next goes to whichever engine is free. That hides the messages'
latency, keeps set-up and chunks in order for each engine, and tells exactly which
elements an engine had when it died. Drive a run by calling `Run.poll` until
`Run.over`; everything happens in the caller's thread.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from parallelflow.engine import payload, session_state
from parallelflow.engine.runner import ChunkResult, Trouble, short, trouble_of
from parallelflow.engine_manager.client_cache import forget, leave_unread, note_received
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.engine_manager.user_interrupts import is_user_interrupt
from parallelflow.errors import ClusterLost, ElementFailure, SetupFailed
from parallelflow.progress import Progress, RunState

from .backlog import Backlog
from .chunks import Chunk
from .interrupt import Event, interrupt
from .worker import Worker

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["Run"]

# What an engine had sent before it died may still be on its way through the hub.
GRACE_SECONDS = 0.3
# After the last engine is gone, one that is being started may still come.
REPLACEMENT_SECONDS = 5.0
# How often the cluster itself is asked whether it lives.
ALIVE_SECONDS = 1.0
# An element during which so many engines crashed, while nothing else of the run was under way, is
# not given to another one. Engines are killed for reasons that are none of the elements' (memory,
# other people's tools); a second time, alone, is hardly by chance.
MAX_DEATHS = 2
# The same for engines that were lost otherwise, such as one that was stopped (SIGSTOP): most of
# them are not its fault, but no element may take engines without an end.
MAX_LOSSES = 4
# Engines that leave so short a time before their controller were stopped together with it.
TOGETHER_SECONDS = 10.0
# Of a chunk whose engine has ended, so many parts go alone. Elements that travel by more are so
# short that going singly would take minutes; one that ends engines takes one more to be found.
SUSPECTS = 256
# An element that somebody else has interrupted, who meant another one, is run again so often.
MAX_INTERRUPTS = 1
# How long chunks are made before somebody else has a turn: pickling may fail for thousands.
DISPATCH_SECONDS = 0.05

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
    pool : EnginePool, optional
        The owner of the engines; whether the cluster lives is asked every `ALIVE_SECONDS`.
    ahead : int, optional
        At most so many elements are taken and not yet finished; as many as keep the engines
        busy if not given.
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
    hosts : set of str
        The machines whose engines take part.

    Raises
    ------
    WorkingDirectoryMissing
        If this session's working directory has been removed.
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
        pool: EnginePool | None = None,
        ahead: int | None = None,
        finished: dict[int, Any] | None = None,
    ) -> None:
        self._client = client
        state = session_state.capture()
        self._function = [state.dump(), *payload.dump((maker, arguments))]
        self._key = uuid.uuid4().hex
        self._stop_on_error = stop_on_error
        self._on_chunk = on_chunk
        self._pool = pool or EnginePool()
        self._alive_at = time.monotonic()
        self._backlog = Backlog(elements, finished or (), chunk_size, ahead)
        self._workers: dict[int, Worker] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._unfit: set[int] = set()
        self._setup_deaths = 0
        self._setup_failed: SetupFailed | None = None
        self._nobody_since: float | None = None
        self._finished = finished or {}
        self._ranges: list[tuple[int, int]] = []
        self._received = 0
        self.hosts: set[str] = set()
        total = self._backlog.feed.total or 0
        # It grows with the elements that are sent: a range may have more of them than fit.
        self.values: list[Any] = []
        self.failures: dict[int, ElementFailure] = {}
        self.deferred: set[int] = set()
        self.progress = Progress(label, total, done=len(self._finished))
        for index, value in self._finished.items():
            self._make_room(index)
            self.values[index] = value
        self.progress.announce()
        for note in state.notes:
            self._tell(note)
        leave_unread(client, [])

    # -- what the caller drives ---------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.progress.state.over

    @property
    def feed_error(self) -> Exception | None:
        """What making an element has raised."""
        return self._backlog.feed.error

    @property
    def done(self) -> set[int]:
        """Indices of the elements with a value."""
        done = set(self._finished)
        for start, count in self._ranges:
            done.update(range(start, start + count))
        return done - self.failures.keys() - self.deferred

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
        if self.over:
            return
        self._meet_engines()
        all_sent = self._dispatch()
        with contextlib.suppress(queue.Empty):
            self._handle(*self._events.get(timeout=seconds if all_sent else 0))
            while True:
                self._handle(*self._events.get_nowait())
        if self._stop_on_error and self.failures:
            self._stop_after(min(self.failures))
        self._miss_engines()
        self._dispatch()
        if not self._open():
            self._finish(RunState.FAILED if self.failures else RunState.DONE)

    def cancel(self) -> list[int]:
        """Drop what is queued, interrupt what is running, forget the run everywhere.

        Returns
        -------
        list of int
            Ids of the engines that did not answer within a second: they are stuck in code
            that cannot be interrupted.
        """
        if self.over:
            return []
        self._backlog.only_before(0)
        stuck = self._interrupt(list(self._workers.values()))
        self._finish(RunState.CANCELLED)
        return stuck

    @property
    def may_end_engines(self) -> bool:
        """Return True if one of the elements left is known to have been there when an engine ended.

        Such an element is not to be run in the session's own process.
        """
        return bool(self._backlog.suspected())

    def move_to(self, client: ipyparallel.Client) -> None:
        """Go on with another cluster, after the one there was has gone.

        Parameters
        ----------
        client : ipyparallel.Client
            Connection to a controller with at least one engine.
        """
        self._requeue_all()
        self._client = client
        self._events = queue.SimpleQueue()
        self._unfit.clear()
        self._setup_deaths, self._setup_failed, self._nobody_since = 0, None, None
        self._alive_at = time.monotonic()
        leave_unread(client, [])

    def take_rest(self) -> Iterator[tuple[int, Any]]:
        """Yield index and element of all that has not finished, for the caller to evaluate.

        For a run whose cluster has gone. The caller puts the values into `values`, and calls
        `finish_here` at the end.
        """
        self._requeue_all()
        while (chunk := self._backlog.pop()) is not None:
            self._make_room(chunk.last)
            for index, element in enumerate(chunk.elements, chunk.start):
                yield index, element.value if isinstance(element, payload.Frozen) else element

    def finish_here(self) -> None:
        """End a run whose rest the caller has evaluated, or is going to."""
        self._finish(RunState.FAILED if self.failures else RunState.DONE)

    def _requeue_all(self) -> None:
        for worker in self._workers.values():
            for chunk in list(worker.jobs)[::-1]:
                self._backlog.put_back(chunk)
            worker.jobs.clear()
        self._workers.clear()

    def _open(self) -> bool:
        """Whether any element is still to be sent or to come back."""
        return bool(self._backlog) or self._busy()

    def _busy(self) -> bool:
        return any(worker.jobs for worker in self._workers.values())

    def _finish(self, state: RunState) -> None:
        """End the run in a state; engines forget its function."""
        said: list[Any] = []
        for worker in self._workers.values():
            self._try_to_send(worker, lambda w: said.append(w.drop(self._key)))
        if state is RunState.DONE:
            del self.values[self._backlog.feed.taken :]
        # They refer to the run and it to them: the values would stay until Python looks for cycles.
        self._workers.clear()
        self.progress.enter(state)
        leave_unread(self._client, said)
        note_received(self._client, self._received)

    # -- engines ------------------------------------------------------------------------

    def _meet_engines(self) -> None:
        """Set the function up on engines that have joined."""
        for engine in self._client.ids:
            worker = self._workers.get(engine)
            if worker is None:
                if self._pool.retired(engine):
                    continue
                worker = self._workers[engine] = Worker(self._client, engine, self._hand_over)
            elif worker.ready or engine in self._unfit or not worker.is_overdue():
                continue
            self._try_to_send(worker, lambda w: w.set_up(self._key, self._function))

    def _hand_over(self, worker: Worker, chunk: Chunk | None, answer: Any) -> None:
        self._events.put((worker, chunk, answer))

    def _try_to_send(self, worker: Worker, send: Callable[[Worker], object]) -> bool:
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
            self._check_alive()
        present = set(self._client.ids)
        for worker in list(self._workers.values()):
            if worker.id not in present and worker.missed(GRACE_SECONDS):
                del self._workers[worker.id]
                self._rescue(worker)
        if self._workers.keys() - self._unfit or self._pool.expected():
            self._nobody_since = None
        elif self._open():
            self._nobody_since = self._nobody_since or now
            if now - self._nobody_since > REPLACEMENT_SECONDS:
                self._give_up()

    def _check_alive(self) -> None:
        if not self._pool.alive():
            fault = self._pool.fault()
            why = f": {fault}" if fault else ""
            since = time.monotonic() - TOGETHER_SECONDS
            self._backlog.acquit(lambda engine, when: when > since)
            raise ClusterLost(f"the cluster went away with {self._left_text()}{why}.")

    def _give_up(self) -> None:
        """End a run that no engine is left for: with the elements that ended them, if known.

        Raises
        ------
        SetupFailed
            If there are engines, but the function cannot be set up on them.
        ClusterLost
            If the engines' end is none of the run's doing.
        """
        if self._stop_on_error and self.failures:
            self._finish(RunState.FAILED)
            return
        # It may have become known since that their session had ended, and they with it.
        self._backlog.acquit(lambda engine, when: not self._pool.crashed(engine))
        for chunk in self._backlog.take_convicted():
            self._fail_as_lost(chunk, None)
        blamed = any(failure.stage == "lost" for failure in self.failures.values())
        if blamed and self._backlog.feed.total is not None:
            why = Trouble("not run", "NoEngineLeft", "no engine was left")
            for chunk in self._backlog.drain():
                for index, element in enumerate(chunk.elements, chunk.start):
                    self._fail(index, element, why, None)
            self._finish(RunState.FAILED)
            return
        if self._workers and self._setup_failed is not None:
            raise self._setup_failed
        suspects = self._backlog.suspected()
        hint = f" One of the elements {suspects} may have ended it." if suspects else ""
        raise ClusterLost(
            f"the last engine went away with {self._left_text()}.{hint} "
            "Start new engine processes and run it again."
        )

    def _left_text(self) -> str:
        left = self.progress.total - self.progress.done - self.progress.failed
        return f"{left} of {self.progress.total} elements unfinished"

    def _rescue(self, worker: Worker) -> None:
        """Requeue the elements of an engine that has left; what it worked at, as suspects."""
        # An engine that its owner stops has been given up; nothing that it has is at fault.
        retired = self._pool.retired(worker.id)
        crashed = not retired and self._pool.crashed(worker.id)
        if crashed and not worker.ready and worker.id not in self._unfit:
            self._note_setup_death(worker)
        # Only the first one was being worked at.
        running = list(worker.jobs)[:1]
        for chunk in list(worker.jobs)[: 0 if not retired else None : -1]:
            self._backlog.put_back(chunk)
        for chunk in [] if retired else running:
            chunk.losses.append((worker.id, time.monotonic()))
            if crashed and chunk.alone and len(chunk.elements) == 1:
                chunk.crashes += 1
            enough = chunk.crashes >= MAX_DEATHS or len(chunk.losses) >= MAX_LOSSES
            if enough and len(chunk.elements) == 1:
                self._fail_as_lost(chunk, worker)
                continue
            # Which of its elements it was is not known.
            for part in chunk.parts(SUSPECTS):
                self._backlog.suspect(part)
        if worker.jobs and not retired:
            self._tell(
                f"engine {worker.id} ({worker.host}) was lost; its elements run again elsewhere"
            )
            self._pool.replace(worker.id)
        worker.jobs.clear()

    def _fail_as_lost(self, chunk: Chunk, worker: Worker | None) -> None:
        """Fail an element by the engines that were lost while it ran."""
        lost = Trouble("lost", "EngineLost", f"it ended {len(chunk.losses)} engines")
        self._fail(chunk.start, chunk.elements[0], lost, worker)

    def _note_setup_death(self, worker: Worker) -> None:
        """Note that an engine ended while the function was set up; give up after two."""
        self._setup_deaths += 1
        if self._setup_deaths >= MAX_DEATHS and not self.progress.engines:
            why = f"setting the function up ended {self._setup_deaths} engines"
            raise SetupFailed(worker.id, worker.host, "EngineLost", why)
        self._pool.replace(worker.id)

    def _tell(self, note: str) -> None:
        """Tell one line about an engine, in the log and to whoever watches."""
        logger.warning("%s", note)
        self.progress.announce(note)

    # -- sending ------------------------------------------------------------------------

    def _dispatch(self) -> bool:
        """Give a chunk to every engine that has room for one; the idle ones first.

        Returns
        -------
        bool
            False if it has taken long, and there may be more to send.
        """
        ready = [
            worker
            for worker in self._workers.values()
            if worker.ready and worker.gone_since is None and worker.id not in self._unfit
        ]
        end = time.monotonic() + DISPATCH_SECONDS
        for depth in range(2 if self._backlog.two_each(len(ready)) else 1):
            for worker in ready:
                while len(worker.jobs) <= depth:
                    if time.monotonic() > end:
                        return False
                    chunk = self._next_chunk(len(ready))
                    if chunk is None:
                        return True
                    if not self._send(worker, chunk):
                        break
        return True

    def _next_chunk(self, engines: int) -> Chunk | None:
        finished = self.progress.done + self.progress.failed
        chunk = self._backlog.next(engines, finished, not self._busy())
        if chunk is not None:
            self._make_room(chunk.last)
        return chunk

    def _make_room(self, index: int) -> None:
        """Make the list of values long enough for an element."""
        self.values.extend([None] * (index + 1 - len(self.values)))
        # The list's length may not be known.
        self.progress.total = max(self.progress.total, len(self.values))

    def _send(self, worker: Worker, chunk: Chunk) -> bool:
        """Send a chunk; False if the worker cannot take it now."""
        try:
            frames = payload.dump(chunk.elements)
        except (Exception, SystemExit) as e:
            self._fail_or_split(chunk, trouble_of(e, "pickle"), None)
            return True
        chunk.nbytes = _nbytes(frames)
        fits = len(chunk.elements) * self._backlog.sizer.max_bytes // max(chunk.nbytes, 1)
        if max(fits, 1) < len(chunk.elements):
            self._backlog.put_back(chunk.rest(max(fits, 1)))
            return self._send(worker, chunk.first(max(fits, 1)))
        stop = self._stop_on_error
        if self._try_to_send(worker, lambda w: w.send(chunk, self._key, stop, frames)):
            if self.progress.state is RunState.PREPARING:
                self.progress.enter(RunState.RUNNING)
            return True
        self._backlog.put_back(chunk)
        return False

    # -- receiving ----------------------------------------------------------------------

    def _handle(self, worker: Worker, chunk: Chunk | None, answer: Any) -> None:
        """Handle one answer: of a set-up (chunk None) or of a chunk."""
        if self.over:
            return
        reply, error = None, None
        try:
            reply = answer.get(timeout=0)
        except Exception as e:
            error = e
        forget(self._client, answer)
        if chunk is None:
            self._handle_setup(worker, reply, error)
        elif worker.jobs.get(chunk) is not None:
            if error is not None and _died(error):
                # The next look finds out more. It keeps its place: the first one is the suspect.
                worker.jobs[chunk] = None
                worker.missed(0)
                return
            del worker.jobs[chunk]
            if error is None:
                self._handle_reply(worker, chunk, reply)
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
        interrupted = trouble is not None and trouble.error_type == "KeyboardInterrupt"
        if interrupted or _was_interrupted(error):
            # Somebody meant what the engine worked at before, or after.
            worker.setup_interrupts += 1
            if worker.setup_interrupts <= MAX_INTERRUPTS:
                self._try_to_send(worker, lambda w: w.set_up(self._key, self._function))
                return
        if trouble is None:
            worker.ready = True
            for note in worker.info.get("notes", ()):
                self._tell(f"engine {worker.id} ({worker.host}): {note}")
            self.progress.engines.add(worker.id)
            self.hosts.update(filter(None, [worker.host]))
            return
        # It stays known, so that it is not asked again, and never gets ready.
        self._unfit.add(worker.id)
        host = worker.host or "unknown host"
        self._tell(f"engine {worker.id} ({host}) takes no part: {trouble.message}")
        if trouble.error_type == "ModuleUnusable":  # a new process can load it
            self._pool.replace(worker.id)
        why = SetupFailed(worker.id, worker.host, trouble.error_type, trouble.message)
        self._setup_failed = why
        if self._unfit.issuperset(self._workers):
            raise why

    def _handle_reply(self, worker: Worker, chunk: Chunk, reply: Any) -> None:
        self._received += _nbytes(reply)
        try:
            result: ChunkResult = payload.load(reply)
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # a class that only the engine knows, or that ends programs
            self._fail_or_split(chunk, trouble_of(e, "result"), worker)
            return
        if result.unreadable is not None:
            self._fail_or_split(chunk, result.unreadable, worker)
            return
        interrupts = self._retract_interrupted(worker, chunk, result)
        self._take(worker, chunk, result, _nbytes(reply))
        for position, trouble in result.troubles.items():
            self._fail(chunk.start + position, chunk.elements[position], trouble, worker)
        if result.count < len(chunk.elements) and not (self._stop_on_error and self.failures):
            rest = chunk.rest(result.count)
            rest.interrupts = interrupts
            (self._backlog.suspect if chunk.losses else self._backlog.put_back)(rest)
        self.progress.announce()

    def _retract_interrupted(self, worker: Worker, chunk: Chunk, result: ChunkResult) -> int:
        """Have an element go again that was interrupted by another run's or session's end.

        Returns
        -------
        int
            How often what has not finished was interrupted; 0 if that does not matter.

        Raises
        ------
        ClusterLost
            If it was interrupted because the cluster is being shut down.
        """
        last = result.count - 1
        trouble = result.troubles.get(last)
        if (
            trouble is None
            or trouble.stage != "interrupted"
            or is_user_interrupt(self._client, worker.id)
        ):
            return 0
        if trouble.exception is not None and trouble.error_type == "KeyboardInterrupt":
            return 0  # the function has raised it itself
        self._check_alive()  # a shutdown interrupts what runs, too
        if last == 0 and chunk.interrupts >= MAX_INTERRUPTS:
            return 0
        del result.troubles[last], result.values[last], result.seconds[last]
        result.outputs.pop(last, None)
        result.count = last
        return chunk.interrupts + 1 if last == 0 else 1

    def _take(self, worker: Worker, chunk: Chunk, result: ChunkResult, nbytes: int) -> None:
        """Take a chunk's values, which came in so many bytes, and tell of it."""
        start, count = chunk.start, result.count
        self.values[start : start + count] = result.values
        self._ranges.append((start, count))
        sent = chunk.nbytes * count / len(chunk.elements)
        self._backlog.sizer.observe(result.seconds, max(sent, nbytes))
        self.progress.done += count - len(result.troubles)
        self.progress.element_seconds += sum(result.seconds)
        if self._on_chunk is not None:
            self._on_chunk(start, result, worker)

    def _handle_error(self, worker: Worker, chunk: Chunk, error: BaseException) -> None:
        """Handle a chunk that has no result: its engine forgot the function, or worse."""
        if getattr(error, "ename", "") == "LookupError":
            worker.ready = False
            self._backlog.put_back(chunk)
            self._try_to_send(worker, lambda w: w.set_up(self._key, self._function))
        elif _was_interrupted(error) and chunk.interrupts < MAX_INTERRUPTS:
            self._check_alive()
            chunk.interrupts += 1
            (self._backlog.suspect if chunk.losses else self._backlog.put_back)(chunk)
        else:
            self._fail_or_split(chunk, trouble_of(error, "run"), worker)

    def _fail_or_split(self, chunk: Chunk, trouble: Trouble, worker: Worker | None) -> None:
        """Fail a single element; of several, find the one by having each go alone."""
        if len(chunk.elements) == 1:
            self._fail(chunk.start, chunk.elements[0], trouble, worker)
        else:
            self._backlog.put_back_in_parts(chunk)

    def _fail(self, index: int, element: Any, trouble: Trouble, worker: Worker | None) -> None:
        if trouble.stage == "client":
            self.deferred.add(index)
            return
        self._make_room(index)
        self.failures[index] = ElementFailure(
            index=index,
            total=self.progress.total,
            input=_shown(element),
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
            self._backlog.only_before(min(self.failures))

    # -- stopping -----------------------------------------------------------------------

    def _stop_after(self, index: int) -> None:
        """End what engines do after a failed element; what comes before it is still finished.

        The serial Map would have stopped at the lowest failing index, which may be below.
        """
        workers = [w for w in self._workers.values() if w.jobs]
        late = [w for w in workers if all(chunk.start > index for chunk in w.jobs)]
        for stuck in self._interrupt(late):
            # It gets no more of this run, and another one is started in its place if it is ours.
            self._unfit.add(stuck)
            self._pool.replace(stuck)
        self._drop_waiting(index)

    def _drop_waiting(self, index: int) -> None:
        """Have engines not begin chunks after an element that wait behind others."""
        dropped: dict[int, list[Any]] = {}
        for worker in self._workers.values():
            for chunk in list(worker.jobs)[1:]:
                if chunk.start > index:
                    dropped.setdefault(worker.id, []).append(worker.jobs.pop(chunk))
        for engine, answers in dropped.items():
            waiting = [answer for answer in answers if answer is not None]
            with contextlib.suppress(Exception):
                self._client.abort(waiting, targets=[engine], block=False)
            leave_unread(self._client, waiting)

    def _interrupt(self, workers: list[Worker]) -> list[int]:
        """End what engines are doing for this run; return the ids of those that hang."""

        def handle(worker: Worker, chunk: Chunk | None, answer: Any) -> None:
            if worker not in workers or chunk is None:
                self._handle(worker, chunk, answer)
            elif worker.jobs.pop(chunk, None) is not None:
                self._take_interrupted(worker, chunk, answer)

        return interrupt(self._client, workers, self._events, handle)

    def _take_interrupted(self, worker: Worker, chunk: Chunk, answer: Any) -> None:
        """Keep what had finished of a chunk that was interrupted."""
        with contextlib.suppress(Exception, SystemExit):
            reply = answer.get(timeout=0)
            result: ChunkResult = payload.load(reply)
            good = min(result.troubles, default=result.count)
            result.values, result.seconds = result.values[:good], result.seconds[:good]
            result.count, result.troubles = good, {}
            self._take(worker, chunk, result, _nbytes(reply))
        forget(self._client, answer)


def _nbytes(frames: Iterable[Any]) -> int:
    """Return how many bytes frames take."""
    return sum(memoryview(frame).nbytes for frame in frames)


def _shown(element: Any) -> str:
    """Return an element as an error shows it; safe also if it cannot be read."""
    if not isinstance(element, payload.Frozen):
        return short(element)
    try:
        return short(element.value)
    except BaseException as e:
        return f"<an element that cannot be unpickled: {type(e).__name__}>"


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether SIGINT has hit an engine before it could begin with what it was sent."""
    return getattr(error, "ename", "") == "KeyboardInterrupt"


def _died(error: BaseException) -> bool:
    """Whether an answer says that its engine has gone."""
    return "EngineError" in (getattr(error, "ename", ""), type(error).__name__)
