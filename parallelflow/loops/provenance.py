"""From the engines' records to VisTrails' execution log, nested as its own loops write it."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any

from vistrails.core.log.loop_exec import LoopIteration

from parallelflow.engine.payload import no_collection
from parallelflow.engine.recorder import Record
from parallelflow.work.worker import Worker

from .log_objects import LogObjects

__all__ = ["LoopLog"]


class LoopLog:
    """The log of one execution of a loop.

    Parameters
    ----------
    loop : object
        What ``logging.begin_loop_execution`` gave.
    first : int
        The number of the first iteration.
    """

    def __init__(self, loop: Any, first: int = 0) -> None:
        self._loop = loop
        self._first = first
        # VisTrails' dummy controllers stand in for all of these when the log is off.
        self._controller: Any = getattr(loop.log, "controller", None)
        self._records: deque[tuple[int, list[Record], Worker]] = deque()
        self._iterations: dict[int, list[LoopIteration]] = {}
        self._objects = LogObjects(self._controller)
        #: Elements that run in this process, whatever an engine has recorded of them.
        self._here: set[int] = set()

    @property
    def wanted(self) -> bool:
        """Whether anything is logged at all."""
        return self._controller is not None

    def add(self, index: int, records: list[Record], worker: Worker) -> None:
        """Take the records of an element, one per function; a failed one's are taken, too."""
        self._records.append((index, records, worker))

    def build(self, seconds: float = math.inf) -> None:
        """Make log objects of the records taken so far.

        Parameters
        ----------
        seconds : float
            For how long at most: it is done while engines compute, which must not wait for it.
        """
        end = time.monotonic() + seconds
        with no_collection():
            while self._records and time.monotonic() < end:
                index, records, worker = self._records.popleft()
                machine = self._objects.machine(worker)
                for record in records:
                    record.shift(worker.clock_difference)
                self._iterations[index] = [
                    self._objects.iteration(record, machine, worker) for record in records
                ]

    def begin_iteration(self, module: Any, index: int) -> None:
        """Note that an element begins to run in this process."""
        self._here.add(index)
        self._loop.begin_iteration(module, index + self._first)

    def end_iteration(self, module: Any) -> None:
        """Note that an element that ran in this process has ended."""
        self._loop.end_iteration(module)

    def write(self, finished: bool) -> None:
        """Write the iterations in the order of their indices.

        Parameters
        ----------
        finished : bool
            Whether the whole loop has finished; if not, what has is kept.
        """
        if self._controller is not None:
            self.build()
            for index in sorted(self._iterations.keys() - self._here):
                for iteration in self._iterations[index]:
                    self._loop.log.loop_exec.add_loop_iteration(iteration)
            if self._here:
                # Those that ran in this process were written as they began.
                written = self._loop.log.loop_exec.db_loop_iterations
                written.sort(key=lambda iteration: iteration.iteration)
        if finished:
            self._loop.end_loop_execution()
