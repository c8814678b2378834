"""From the engines' records to VisTrails' execution log, nested as its own loops write it."""

from __future__ import annotations

import datetime
import math
import platform
import time
from collections import deque
from typing import Any

from vistrails.core.log.group_exec import GroupExec
from vistrails.core.log.loop_exec import LoopExec, LoopIteration
from vistrails.core.log.machine import Machine
from vistrails.core.log.module_exec import ModuleExec
from vistrails.core.vistrail.annotation import Annotation

from parallelflow.engine.payload import no_collection
from parallelflow.engine.recorder import LOOP, Record
from parallelflow.work.worker import Worker

__all__ = ["LoopLog", "annotations_of"]


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
        self._machines: dict[str, int] = {}
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
                machine = self._machine(worker)
                self._iterations[index] = [self._iteration(r, machine, worker) for r in records]

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

    def _new_id(self, vt_type: str) -> int:
        return int(self._controller.log.id_scope.getNewId(vt_type))

    def _machine(self, worker: Worker) -> int:
        """Return the id of the worker's machine in the log; one for each host."""
        host = worker.host or ""
        if host == platform.node():
            return int(self._controller.machine.id)
        if host not in self._machines:
            system, _, architecture = worker.info.get("system", "").partition(" ")
            machine = Machine(
                id=-1, name=host, os=system, architecture=architecture, processor="", ram=0
            )
            self._machines[host] = self._controller.add_machine(machine)
        return self._machines[host]

    def _iteration(self, record: Record, machine: int, worker: Worker | None) -> LoopIteration:
        iteration = LoopIteration(
            id=self._new_id(LoopIteration.vtType),
            iteration=record.module,
            ts_start=_time(record.start),
            ts_end=_time(record.end),
            # As VisTrails leaves it: nothing until it is finished.
            completed=record.completed or None,
            error=record.error or None,
        )
        for position, child in enumerate(record.children):
            item = self._item(child, machine)
            if worker is not None and position == 0 and child.kind != LOOP:
                for key, value in annotations_of(worker):
                    item.add_annotation(self._annotation(key, value))
            iteration.add_item_exec(item)
        return iteration

    def _item(self, record: Record, machine: int) -> Any:
        """Return the log object of a module, Group or loop, with all inside it."""
        if record.kind == LOOP:
            loop = LoopExec(
                id=self._new_id(LoopExec.vtType),
                ts_start=_time(record.start),
                ts_end=_time(record.end),
            )
            for child in record.children:
                loop.add_loop_iteration(self._iteration(child, machine, None))
            return loop
        common = {
            "machine_id": machine,
            "module_id": record.module,
            "cached": record.cached,
            "ts_start": _time(record.start),
            "ts_end": _time(record.end),
            "completed": record.completed,
            "error": record.error or None,
        }
        item: Any
        if record.group:
            item = GroupExec(
                id=self._new_id(GroupExec.vtType),
                group_name=record.name,
                group_type=record.group,
                **common,
            )
        else:
            item = ModuleExec(id=self._new_id(ModuleExec.vtType), module_name=record.name, **common)
        for key, value in record.annotations:
            item.add_annotation(self._annotation(key, value))
        for child in record.children:
            inner = self._item(child, machine)
            if child.kind == LOOP and not record.group:
                item.add_loop_exec(inner)
            else:
                item.add_item_exec(inner)
        return item

    def _annotation(self, key: str, value: str) -> Annotation:
        return Annotation(id=self._new_id(Annotation.vtType), key=key, value=value)


def annotations_of(worker: Worker) -> list[tuple[str, str]]:
    """Return where an element ran, as annotations.

    Parameters
    ----------
    worker : Worker
        The engine.
    """
    return [
        ("parallelflow_engine", str(worker.id)),
        ("parallelflow_host", str(worker.host)),
        ("parallelflow_pid", str(worker.info.get("pid"))),
    ]


def _time(seconds: float | None) -> datetime.datetime | None:
    return datetime.datetime.fromtimestamp(seconds) if seconds is not None else None
