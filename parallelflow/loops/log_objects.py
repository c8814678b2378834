"""Log objects of VisTrails, made of what engines have recorded."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from typing import Any, Protocol

from vistrails.core.log.group_exec import GroupExec
from vistrails.core.log.loop_exec import LoopExec, LoopIteration
from vistrails.core.log.machine import Machine
from vistrails.core.log.module_exec import ModuleExec
from vistrails.core.vistrail.annotation import Annotation

from parallelflow.engine.recorder import LOOP, Record

__all__ = ["EnginePlace", "LogObjects", "annotations_of", "log_time"]


class EnginePlace(Protocol):
    """An engine, as far as the log tells where something ran."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def host(self) -> str | None:
        """Its machine."""

    @property
    def info(self) -> dict[str, Any]:
        """More of it: ``pid`` and ``system``."""


class LogObjects:
    """Makes log objects with ids of one log.

    Parameters
    ----------
    controller : vistrails LogWorkflowController
        The controller of the log.
    """

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._machines: dict[str, int] = {}
        self._here = platform.node()

    def machine(self, worker: EnginePlace) -> int:
        """Return the id of an engine's machine in the log; one for each host."""
        host = worker.host or ""
        if host == self._here:
            return int(self._controller.machine.id)
        if host not in self._machines:
            machine = Machine(
                id=-1,
                name=host,
                os=worker.info.get("system", ""),
                architecture=worker.info.get("bits", 0),
                processor="",
                ram=0,
            )
            self._machines[host] = self._controller.add_machine(machine)
        return self._machines[host]

    def iteration(
        self, record: Record, machine: int, place: Sequence[tuple[str, str]] = ()
    ) -> LoopIteration:
        """Return the iteration of a loop, with all inside it.

        Parameters
        ----------
        record : Record
            What was recorded of it.
        machine : int
            The machine's id in the log.
        place : sequence of (str, str)
            The engine as annotations, where the log is to tell it (see `annotations_of`).
        """
        iteration = LoopIteration(
            id=self._new_id(LoopIteration.vtType),
            iteration=record.module,
            ts_start=log_time(record.start),
            ts_end=log_time(record.end),
            # As VisTrails leaves it: nothing until it is finished.
            completed=record.completed or None,
            error=record.error or None,
        )
        for position, child in enumerate(record.children):
            item = self.item(child, machine)
            if position == 0 and child.kind != LOOP:
                for key, value in place:
                    item.add_annotation(self._annotation(key, value))
            iteration.add_item_exec(item)
        return iteration

    def add_children(self, item: Any, record: Record, machine: int) -> None:
        """Add what was executed inside a module or Group to its log object.

        Parameters
        ----------
        item : ModuleExec or GroupExec
            The log object.
        record : Record
            What was recorded of the module.
        machine : int
            The machine's id in the log.
        """
        for child in record.children:
            inner = self.item(child, machine)
            if child.kind == LOOP and not record.group:
                item.add_loop_exec(inner)
            else:
                item.add_item_exec(inner)

    def item(self, record: Record, machine: int) -> Any:
        """Return the log object of a module, Group or loop, with all inside it.

        Parameters
        ----------
        record : Record
            What was recorded of it.
        machine : int
            The machine's id in the log.
        """
        if record.kind == LOOP:
            loop = LoopExec(
                id=self._new_id(LoopExec.vtType),
                ts_start=log_time(record.start),
                ts_end=log_time(record.end),
            )
            for child in record.children:
                loop.add_loop_iteration(self.iteration(child, machine))
            return loop
        common = {
            "machine_id": machine,
            "module_id": record.module,
            "cached": record.cached,
            "ts_start": log_time(record.start),
            "ts_end": log_time(record.end),
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
        self.add_children(item, record, machine)
        return item

    def _annotation(self, key: str, value: str) -> Annotation:
        return Annotation(id=self._new_id(Annotation.vtType), key=key, value=value)

    def _new_id(self, vt_type: str) -> int:
        return int(self._controller.log.id_scope.getNewId(vt_type))


def annotations_of(worker: EnginePlace) -> list[tuple[str, str]]:
    """Return where an element ran, as annotations.

    Parameters
    ----------
    worker : EnginePlace
        The engine.
    """
    return [
        ("parallelflow_engine", str(worker.id)),
        ("parallelflow_host", str(worker.host)),
        ("parallelflow_pid", str(worker.info.get("pid"))),
    ]


def log_time(seconds: float | None) -> datetime.datetime | None:
    """Return seconds since the epoch as VisTrails' log has them."""
    return datetime.datetime.fromtimestamp(seconds) if seconds is not None else None
