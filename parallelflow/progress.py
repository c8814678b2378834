"""Progress of a run as a plain model, and the place where it is announced.

Whoever shows progress (a terminal bar, a window) listens here; the run knows
none of them. Snapshots are immutable and may be kept or sent to other threads.
"""

from __future__ import annotations

import enum
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from parallelflow.trace import RunTrace

__all__ = ["Progress", "RunState", "Snapshot", "listen", "recent"]

#: The latest runs whose elements are remembered: 8 bytes for each element.
MOST_RECENT = 24

logger = logging.getLogger(__name__)


class RunState(enum.Enum):
    """Where a run stands."""

    PREPARING = "preparing"  # waiting for engines, setting the function up
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to the run."""
        return self in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True)
class Snapshot:
    """What is known of a run at one moment.

    Attributes
    ----------
    run : int
        Number of the run, unique in this process.
    label : str
        What the user calls it: the Map's label or the function's name.
    state : RunState
        Where it stands.
    total, done, failed : int
        Elements: all, finished well, finished with an error. Of a generator, whose length nobody
        knows, `total` is how many have been read, and grows until it ends.
    engines : int
        Engines that have returned or are known to work at an element.
    element_seconds : float
        Sum of the elements' own running times, seconds.
    wall_seconds : float
        Time since the run began, seconds.
    note : str
        One line worth telling now, such as the loss of an engine; empty if none.
    known : int
        Those of `done` whose values an earlier run had computed.
    running_seconds : float
        Time since the first element was sent, seconds.
    """

    run: int
    label: str
    state: RunState
    total: int
    done: int
    failed: int
    engines: int
    element_seconds: float
    wall_seconds: float
    note: str = ""
    known: int = 0
    running_seconds: float = 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """Time left at the pace of this run, seconds; None while nothing has finished."""
        finished = self.done + self.failed - self.known
        if finished <= 0 or self.state is RunState.PREPARING:
            return None
        left = self.total - self.done - self.failed
        if finished < 2 * self.engines:  # the others are about to finish one, too
            return self.element_seconds / finished * left / self.engines
        return (self.running_seconds or self.wall_seconds) / finished * left


Listener = Callable[[Snapshot], None]
_listeners: list[Listener] = []
_numbers = itertools.count(1)
_lock = threading.Lock()
_recent: deque[Progress] = deque(maxlen=MOST_RECENT)


def recent() -> list[Progress]:
    """Return the latest runs of this process, the oldest first, under way or over."""
    with _lock:
        return list(_recent)


def listen(listener: Listener) -> Callable[[], None]:
    """Register a listener for the progress of every run of this process.

    Parameters
    ----------
    listener : callable
        Called with a `Snapshot` in the thread of the run; must return at once.

    Returns
    -------
    callable
        Call it to stop listening; calling it twice is harmless.
    """
    with _lock:
        _listeners.append(listener)

    def stop() -> None:
        with _lock:
            if listener in _listeners:
                _listeners.remove(listener)

    return stop


@dataclass
class Progress:
    """The changing progress of one run; every change is announced.

    Parameters
    ----------
    label : str
        What the user calls the run.
    total : int
        Number of elements.

    Attributes
    ----------
    left_out : bool
        Whether what the run is for goes on without the elements that have failed.
    """

    label: str
    total: int
    state: RunState = RunState.PREPARING
    done: int = 0
    failed: int = 0
    element_seconds: float = 0.0
    engines: set[int] = field(default_factory=set)
    run: int = field(default_factory=lambda: next(_numbers))
    trace: RunTrace = field(default_factory=RunTrace)
    left_out: bool = False
    _started: float = field(default_factory=time.monotonic)
    _running: float | None = None
    _known: int = 0
    _ended: float | None = None

    def __post_init__(self) -> None:
        self._known = self.done

    def remember(self) -> None:
        """Be one of the `recent` runs: not what is only announced, such as a wait for engines."""
        with _lock:
            for earlier in _recent:
                earlier.trace.drop_lists()
            _recent.append(self)

    def snapshot(self, note: str = "") -> Snapshot:
        """Return what is known now."""
        now = self._ended or time.monotonic()
        return Snapshot(
            run=self.run,
            label=self.label,
            state=self.state,
            total=self.total,
            done=self.done,
            failed=self.failed,
            engines=len(self.engines),
            element_seconds=self.element_seconds,
            wall_seconds=now - self._started,
            running_seconds=now - (self._running or now),
            note=note,
            known=self._known,
        )

    def announce(self, note: str = "") -> None:
        """Tell the listeners; one that fails is logged and harms nobody else."""
        snapshot = self.snapshot(note)
        with _lock:
            listeners = list(_listeners)
        for listener in listeners:
            try:
                listener(snapshot)
            except Exception:
                logger.exception("a listener of the progress failed")

    def enter(self, state: RunState, note: str = "") -> None:
        """Change the state and announce it."""
        self.state = state
        if state is RunState.RUNNING and self._running is None:
            self._running = time.monotonic()
        if state.is_finished:
            self._ended = time.monotonic()
        self.announce(note)

    def warn(self, note: str) -> None:
        """Write a line about an engine or the cluster to the log, and announce it."""
        logger.warning("%s", note)
        self.trace.note(note)
        self.announce(note)
