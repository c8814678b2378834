"""One engine, as a run sees it: is the function set up there, what is it working at."""

from __future__ import annotations

import enum
import itertools
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from parallelflow.data.shared_folder import Offer
from parallelflow.engine import runner
from parallelflow.engine_manager.connection.requests import Answer, send_request
from parallelflow.names import EARLY_OUTPUT

from .chunks import Chunk
from .policy import ElementPolicy

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["Worker", "WorkerState"]

# Setting a function up takes some milliseconds, or as long as its packages take to load.
SETUP_SECONDS = 2.0
# How fast a function with large inputs travels at the least: what is late is sent again.
SETUP_BYTES_PER_SECOND = 10e6

# A chunk that follows its function is begun so soon, or not at all: the engine may be busy with the
# work of another session. So long after that its answer to the function may be on its way; then
# another engine gets the chunk.
BEGIN_SECONDS = 0.5
WITHDRAW_SECONDS = 1.5
# What follows, and what it follows, are no larger: a large message would not be there in that time,
# and travel again.
MOST_FOLLOWING_BYTES = 1_000_000
# Clocks that differ by less are one clock: both processes are on the same machine.
SAME_CLOCK_SECONDS = 0.5

# Chunks are numbered as they are sent: an engine works at them in that order.
_numbers = itertools.count(1)
_all: weakref.WeakSet[Worker] = weakref.WeakSet()
_lock = threading.Lock()
# Engines of this machine, by client and id, on which this session's last function was set up well.
_proved: weakref.WeakKeyDictionary[Any, set[int]] = weakref.WeakKeyDictionary()

Reply = Callable[["Worker", "Chunk | None", Answer], None]


class WorkerState(enum.Enum):
    """Where an engine stands in a run."""

    SETTING_UP = "the function has been sent to it"
    READY = "the function is set up there"
    EXCLUDED = "it gets no work of the run: the function cannot be set up there, or it hangs"
    LOST_IN_SETUP = "it has gone before the function was set up"
    LOST = "it has gone"


@dataclass(eq=False)
class Worker:
    """An engine that takes part in a run.

    Parameters
    ----------
    client : ipyparallel.Client
        The connection to its controller.
    id : int
        The engine's id.
    reply : callable
        Called in the client's thread with (worker, chunk or None for set-up, Answer)
        when an answer is there; must only hand over.

    Attributes
    ----------
    state : WorkerState
        Where it stands.
    jobs : dict
        Answer to each chunk that it has, in the order they were sent.
    info : dict
        What `runner.setup` has returned: host, pid, python.
    setup_interrupts : int
        How often setting the function up was interrupted by somebody else.
    shares_memory : bool
        Whether it can read this process' files in shared memory, as far as is known.
    shares_copy : bool
        Whether it can read those of another engine of its machine, as far as is known.
    awaits_copy : bool
        Whether it is sent the function when that is in its machine's shared memory.
    asked_since : float
        When it was sent the function first, on the monotonic clock.
    unanswered : int
        How often it was sent the function since it has answered to that.
    clock_difference : float
        What is to be added to a time of its clock for that of this machine's, seconds; 0 if the
        two do not differ by more than its answer took.
    """

    client: ipyparallel.Client
    id: int
    reply: Reply
    state: WorkerState = WorkerState.SETTING_UP
    jobs: dict[Chunk, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    setup_interrupts: int = 0
    shares_memory: bool = True
    shares_copy: bool = True
    awaits_copy: bool = False
    _gone_since: float | None = None
    asked_since: float = math.inf
    unanswered: int = 0
    clock_difference: float = 0.0
    _asked_at: float = 0.0
    _answered_at: float = 0.0
    _time_limit: float = 0.0
    _function_bytes: int = 0
    _withdraw_at: float = 0.0

    def __post_init__(self) -> None:
        with _lock:
            _all.add(self)

    def __str__(self) -> str:
        return f"engine {self.id} ({self.host or 'unknown host'})"

    @property
    def machine(self) -> str:
        """What it has in common with engines that may share its memory, empty if not known."""
        return str(self.info.get("machine", ""))

    @property
    def host(self) -> str | None:
        """The engine's machine, None before it has answered."""
        return self.info.get("host")

    def set_up(
        self, key: str, state: bytes, offer: Offer | None, keep: bool, frames: Sequence[Any]
    ) -> None:
        """Send the function; the reply comes with chunk None. Each time has twice as long."""
        self.awaits_copy = False
        self.unanswered += 1
        self._asked_at = time.monotonic()
        self.asked_since = min(self.asked_since, self._asked_at)
        self._function_bytes = _size(frames)
        needed = SETUP_SECONDS + self.travel_seconds
        self._time_limit = max(2 * self._time_limit, needed)
        self._send(None, runner.setup, key, memoryview(state), offer, keep, *_views(frames))

    def note_clock(self, told: float) -> None:
        """Note what an engine's clock showed when it answered to the function, a moment ago."""
        now = time.time()
        asked = now - (time.monotonic() - self.asked_since)
        self.clock_difference = 0.0 if asked <= told <= now else now - told

    def is_setup_overdue(self) -> bool:
        """Return True if the function should be sent again: the engine has not answered for long.

        What is sent to an engine that has just registered may be lost (see
        `parallelflow.engine_manager.connection.cluster_connection`); one that is busy gets it
        twice, which does no harm.
        """
        if self.state is not WorkerState.SETTING_UP:
            return False
        return time.monotonic() - self._asked_at >= self._time_limit

    @property
    def is_late(self) -> bool:
        """Whether it was sent the function again, since it had not answered in time."""
        return self.state is WorkerState.SETTING_UP and self.unanswered > 1

    @property
    def travel_seconds(self) -> float:
        """How long the function that was sent last may be on its way, seconds."""
        return self._function_bytes / SETUP_BYTES_PER_SECOND

    def may_be_sent(self, frames: Sequence[Any]) -> bool:
        """Return False if a chunk's frames are too large to follow the function at once.

        The engine gets nothing then before it has answered.
        """
        if self.state is not WorkerState.SETTING_UP or _size(frames) <= MOST_FOLLOWING_BYTES:
            return True
        self.trust(None)
        return False

    @property
    def is_trusted(self) -> bool:
        """Whether a chunk may follow the function at once.

        An engine on which the last function could be set up can do so with this one, as a rule:
        a short run takes one round trip to it then. If not, the chunk comes back.
        """
        if self.state is not WorkerState.SETTING_UP or self.awaits_copy:
            return False
        if self._function_bytes > MOST_FOLLOWING_BYTES:
            return False
        return self.id in _proved.get(self.client, ()) and not self._jobs_of_others()

    def trust(self, info: dict[str, Any] | None) -> None:
        """Note what `runner.setup` has returned, None if it has failed."""
        engines = _proved.setdefault(self.client, set())
        same = info and abs(info["clock"] - time.monotonic()) < SAME_CLOCK_SECONDS
        (engines.add if same else engines.discard)(self.id)

    def take_unbegun(self) -> list[Chunk]:
        """Take the chunks back that the engine will not begin: it is busy with something else."""
        withdrawn = self.state is WorkerState.SETTING_UP and time.monotonic() > self._withdraw_at
        chunks = [chunk for chunk in self.jobs if withdrawn and not chunk.probing]
        for chunk in chunks:
            del self.jobs[chunk]
        if chunks:
            self.trust(None)
        return chunks

    def probe(self, chunk: Chunk) -> None:
        """Ask whether the engine lives before a chunk is sent to it; the reply is the chunk's."""
        chunk.sent, chunk.probing = next(_numbers), True
        self.jobs[chunk] = self._send(chunk, runner.known_keys)

    def send(
        self, chunk: Chunk, key: str, policy: ElementPolicy, hold: bool, frames: Sequence[Any]
    ) -> None:
        """Send a chunk; `hold` is as `runner.run_chunk` has it."""
        chunk.sent, chunk.probing = next(_numbers), False
        chunk.began = math.inf if self.jobs else time.monotonic()
        begin_by = None
        if self.state is WorkerState.SETTING_UP:
            chunk.began = math.inf
            begin_by = time.monotonic() + BEGIN_SECONDS
            self._withdraw_at = begin_by + WITHDRAW_SECONDS
        how = (chunk.start, policy.stop_on_error, chunk.seconds, policy.time_limit, begin_by, hold)
        self.jobs[chunk] = self._send(chunk, runner.run_chunk, key, *how, *_views(frames))

    def take_early_output(self) -> Iterator[Any]:
        """Yield what the chunk that the engine works at has written and not yet returned."""
        for answer in list(self.jobs.values())[:1]:
            for content in answer.take_published() if answer is not None else ():
                yield from content.get(EARLY_OUTPUT, ())

    def serves_this_session(self) -> bool:
        """Return True if the engine has a chunk of another run of this session."""
        return bool(self._jobs_of_others())

    def serves_another(self) -> bool:
        """Return True if the engine works at a chunk of another run, and this run's wait."""
        mine = min((chunk.sent for chunk in self.jobs), default=0)
        return any(
            chunk.sent < mine and answer is not None and not answer.done()
            for chunk, answer in self._jobs_of_others()
        )

    def _jobs_of_others(self) -> list[tuple[Chunk, Answer | None]]:
        """Return what other runs have sent to the engine."""
        with _lock:
            others = [other for other in _all if other is not self and other.id == self.id]
        mine = [other for other in others if other.client is self.client]
        return [job for other in mine for job in list(other.jobs.items())]

    def drop(self, key: str) -> Any:
        """Drop the function on the engine; return the answer, which need not be read."""
        return send_request(self.client, self.id, runner.drop, [key])

    def _send(self, chunk: Chunk | None, function: Callable[..., Any], *arguments: Any) -> Answer:
        answer = send_request(self.client, self.id, function, arguments)
        # ipyparallel's part of it refers to itself, so that this callback stays until Python looks
        # for cycles: without the chunk, whose elements may be large.
        sent = [chunk]
        answer.add_done_callback(lambda done: self.reply(self, sent.pop(), done))
        return answer

    def mark_ready(self) -> None:
        """Note that the function is set up there; an engine that has gone meanwhile stays so."""
        self._answered_at = time.monotonic()
        self.trust(self.info)
        self._begin_next()
        was_there = self._gone_since is None
        self.state = WorkerState.READY if was_there else WorkerState.LOST

    def finish(self, chunk: Chunk) -> None:
        """Note that the engine has answered to a chunk."""
        self._answered_at = time.monotonic()
        del self.jobs[chunk]
        self._begin_next()

    def _begin_next(self) -> None:
        for following in itertools.islice(self.jobs, 1):
            following.began = self._answered_at

    @property
    def quiet_for(self) -> float:
        """How long ago the engine's last answer came, seconds."""
        return time.monotonic() - self._answered_at

    def mark_gone(self, chunk: Chunk | None = None) -> None:
        """Note that the engine is not there any more, by the answer to a chunk if there is one.

        The chunk keeps its place: the engine worked at the first one.
        """
        if chunk is not None:
            self.jobs[chunk] = None
        if self._gone_since is not None:
            return
        self._gone_since = time.monotonic()
        if self.state is WorkerState.SETTING_UP:
            self.state = WorkerState.LOST_IN_SETUP
        elif self.state is WorkerState.READY:
            self.state = WorkerState.LOST

    @property
    def is_gone(self) -> bool:
        """Whether it was noted as gone."""
        return self._gone_since is not None

    @property
    def gone_at(self) -> float:
        """When the engine was noted as gone, on the monotonic clock; now if it is there."""
        return time.monotonic() if self._gone_since is None else self._gone_since

    @property
    def gone_for(self) -> float:
        """How long ago the engine was noted as gone, seconds; 0 if it is there."""
        return 0.0 if self._gone_since is None else time.monotonic() - self._gone_since


def _size(frames: Sequence[Any]) -> int:
    return sum(memoryview(frame).nbytes for frame in frames)


def _views(frames: Sequence[Any]) -> list[memoryview]:
    """Return frames as ipyparallel sends them without copies."""
    return [memoryview(frame) for frame in frames]
