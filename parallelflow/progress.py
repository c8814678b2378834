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
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Progress", "RunState", "Snapshot", "listen"]

logger = logging.getLogger(__name__)


class RunState(enum.Enum):
    """Where a run stands."""

    PREPARING = "preparing"  # waiting for engines, setting the function up
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
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
        Elements: all, finished well, finished with an error.
    engines : int
        Engines that have returned or are known to work at an element.
    element_seconds : float
        Sum of the elements' own running times, seconds.
    wall_seconds : float
        Time since the run began, seconds.
    note : str
        One line worth telling now, such as the loss of an engine; empty if none.
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

    @property
    def remaining_seconds(self) -> float | None:
        """Time left at the pace so far, seconds; None while nothing has finished."""
        finished = self.done + self.failed
        if not finished or self.state is RunState.PREPARING:
            return None
        return self.wall_seconds / finished * (self.total - finished)


Listener = Callable[[Snapshot], None]
_listeners: list[Listener] = []
_numbers = itertools.count(1)
_lock = threading.Lock()


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
    """

    label: str
    total: int
    state: RunState = RunState.PREPARING
    done: int = 0
    failed: int = 0
    element_seconds: float = 0.0
    engines: set[int] = field(default_factory=set)
    run: int = field(default_factory=lambda: next(_numbers))
    _started: float = field(default_factory=time.monotonic)

    def snapshot(self, note: str = "") -> Snapshot:
        """Return what is known now."""
        return Snapshot(
            run=self.run,
            label=self.label,
            state=self.state,
            total=self.total,
            done=self.done,
            failed=self.failed,
            engines=len(self.engines),
            element_seconds=self.element_seconds,
            wall_seconds=time.monotonic() - self._started,
            note=note,
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
        self.announce(note)

    def warn(self, note: str) -> None:
        """Write a line about an engine or the cluster to the log, and announce it."""
        logger.warning("%s", note)
        self.announce(note)
