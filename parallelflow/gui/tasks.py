"""Work that may wait, done in threads; what comes of it arrives as signals.

Nothing on the window's thread waits for the network or a process: it is a `Task`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

__all__ = ["Task", "end_all"]

# A thread that has emitted its last signal ends within microseconds.
END_SECONDS = 1.0

logger = logging.getLogger(__name__)

_running: set[Task] = set()


class Task(QObject):
    """One piece of work in a thread of its own.

    Connect bound methods of widgets: Qt disconnects them when the widget goes, and what the
    work tells is then heard by nobody.

    Parameters
    ----------
    work : callable
        Called with the task, whose `tell` and `cancel` it may use.

    Attributes
    ----------
    told : signal (object)
        Something that the work tells on its way.
    done : signal (object)
        What the work returned.
    failed : signal (Exception)
        What it raised.
    cancel : threading.Event
        Set to ask the work to give up.
    """

    told = pyqtSignal(object)
    done = pyqtSignal(object)
    failed = pyqtSignal(object)
    _over = pyqtSignal()

    def __init__(self, work: Callable[[Task], Any]) -> None:
        super().__init__()
        self._work = work
        self.cancel = threading.Event()
        self._over.connect(self._forget)
        self._thread = threading.Thread(target=self._run, name="parallelflow-task", daemon=True)

    def start(self) -> Task:
        """Begin; returns itself."""
        _running.add(self)  # lives until its last signal has arrived
        self._thread.start()
        return self

    def tell(self, value: object) -> None:
        """Emit `told`; for the work."""
        self.told.emit(value)

    @property
    def running(self) -> bool:
        """Whether the work has not ended."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            result = self._work(self)
        except Exception as e:
            logger.debug("a task failed", exc_info=True)
            self.failed.emit(e)
        else:
            self.done.emit(result)
        finally:
            self._over.emit()

    def _forget(self) -> None:
        # At its very end; after it nothing but this thread refers to the task.
        self._thread.join(END_SECONDS)
        _running.discard(self)

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        if self._thread.is_alive():
            self._thread.join(seconds)


def end_all(seconds: float) -> bool:
    """Ask all tasks to give up and wait for them; what they tell is heard by nobody.

    Parameters
    ----------
    seconds : float
        How long to wait at most, for all together.

    Returns
    -------
    bool
        Whether all have ended.
    """
    deadline = time.monotonic() + seconds
    tasks = list(_running)
    for task in tasks:
        task.cancel.set()
        task.blockSignals(True)
    for task in tasks:
        task.join(max(deadline - time.monotonic(), 0))
    _running.clear()
    return not any(task.running for task in tasks)
