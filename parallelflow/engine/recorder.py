"""Execution records of an engine: compact lists that the client turns into VisTrails' log.

A recorder stands where VisTrails' interpreter expects its log controller (see
``core/log/controller.py`` of VisTrails). Log objects with ids cost more than a small
element does, and their ids would have to be renumbered anyway.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .spec import SUBWORKFLOW_KEY

__all__ = ["ITERATION", "LOOP", "MODULE", "WORKFLOW", "Record", "Recorder", "WorkflowRecorder"]

MODULE, LOOP, ITERATION, WORKFLOW = "module", "loop", "iteration", "workflow"


@dataclass(slots=True)
class Record:
    """One execution: of a module or Group, of a loop or one of its iterations, or of a workflow.

    Attributes
    ----------
    kind : str
        `MODULE`, `LOOP`, `ITERATION` or `WORKFLOW`.
    start, end : float or None
        Seconds since the epoch on the engine's clock; None while unfinished.
    module : int
        The module's id in its pipeline; for an iteration its number.
    name : str
        The module's name.
    group : str
        ``Group`` or ``SubWorkflow`` if it is one, else empty.
    completed : int
        VisTrails' code: 0 unfinished, 1 done, -1 failed, -2 suspended.
    error : str
        The error's text, empty if there is none.
    cached : int
        1 if the module's result was reused.
    annotations : list of (str, str)
        As modules made them, in order.
    children : list of Record
        What was executed inside, in order.
    """

    kind: str
    start: float
    module: int = -1
    name: str = ""
    group: str = ""
    cached: int = 0
    end: float | None = None
    completed: int = 0
    error: str = ""
    annotations: list[tuple[str, str]] = field(default_factory=list)
    children: list[Record] = field(default_factory=list)

    def shift(self, seconds: float) -> None:
        """Shift all times: the session's clock may show another one than the engine's."""
        if seconds:
            self.start += seconds
            self.end = None if self.end is None else self.end + seconds
            for child in self.children:
                child.shift(seconds)

    def __reduce__(self) -> Any:
        # A third of the size and time of what pickle makes of a dataclass by itself.
        return Record, tuple(getattr(self, name) for name in self.__slots__)


class _Open:
    """Records of the modules that are executing, by the modules' identity."""

    def __init__(self) -> None:
        self.executions: dict[int, Record] = {}
        self.parents: dict[int, Record] = {}
        self.loops: dict[int, list[Record]] = {}


class _LoopRecorder:
    """Records a loop inside the function, as VisTrails' ``LogLoopController`` does."""

    def __init__(self, record: Record, open_: _Open) -> None:
        self._record = record
        self._open = open_

    def start_iteration(self, looped_module: Any, iteration: int) -> None:
        record = Record(ITERATION, time.time(), iteration)
        self._record.children.append(record)
        self._open.parents[id(looped_module)] = record

    def finish_iteration(self, looped_module: Any) -> None:
        record = self._open.parents[id(looped_module)]
        record.end, record.completed = time.time(), 1

    def finish_loop_execution(self) -> None:
        self._record.end = time.time()


class Recorder:
    """Records what is executed under one parent.

    Parameters
    ----------
    parent : Record
        What gets the records of modules that no loop claims.
    """

    def __init__(self, parent: Record, open_: _Open | None = None) -> None:
        self.parent = parent
        self._open = open_ or _Open()

    def begin(self, parent: Record) -> None:
        """Start again under another parent."""
        self.parent = parent
        self._open.__init__()  # type: ignore[misc]

    def recursing(self, parent_exec: Any) -> Recorder:
        """Return the recorder of a Group's inner pipeline."""
        return Recorder(self._open.executions.get(id(parent_exec), self.parent), self._open)

    def start_execution(
        self, module: Any, module_id: int, module_name: str, cached: int = 0
    ) -> None:
        """Note that a module begins to compute, or is reused."""
        group = ""
        if getattr(module, "is_group", False):
            group = "Group"
            pipeline = module.moduleInfo.get("pipeline")
            twin = pipeline.modules.get(module_id) if pipeline is not None else None
            if twin is not None and twin.has_annotation_with_key(SUBWORKFLOW_KEY):
                group = "SubWorkflow"
                module_name = twin.get_annotation_by_key(SUBWORKFLOW_KEY).value
        record = Record(MODULE, time.time(), module_id, module_name, group, cached)
        self._open.executions[id(module)] = record
        self._open.parents.get(id(module), self.parent).children.append(record)

    def finish_execution(
        self, module: Any, error: str, errorTrace: str | None = None, suspended: bool = False
    ) -> None:
        """Note that a module has finished, well or not."""
        record = self._open.executions.pop(id(module), None)
        if record is None:
            return
        record.end = time.time()
        record.completed = -2 if suspended else -1 if error else 1
        record.error = error
        if errorTrace and error and not suspended:
            record.annotations.append(("errorTrace", errorTrace))
        for loop in self._open.loops.pop(id(module), ()):
            loop.end = loop.end or record.end
            loop.completed, loop.error = record.completed, error

    def start_loop_execution(
        self, loop_module: Any, total_iterations: int | None = None
    ) -> _LoopRecorder:
        """Note that a module begins a loop."""
        record = Record(LOOP, time.time())
        self._open.executions.get(id(loop_module), self.parent).children.append(record)
        self._open.loops.setdefault(id(loop_module), []).append(record)
        return _LoopRecorder(record, self._open)

    def get_iteration_from_module(self, module: Any) -> int | None:
        """Return the iteration that a module belongs to, None if it is in no loop."""
        record = self._open.parents.get(id(module))
        return record.module if record is not None else None

    def insert_module_annotations(self, module: Any, a_dict: dict[str, Any]) -> None:
        """Note what a module says of its execution."""
        record = self._open.executions[id(module)]
        record.annotations.extend((str(k), str(v)) for k, v in a_dict.items())

    def insert_workflow_exec_annotations(self, a_dict: dict[str, Any]) -> None:
        """Note nothing: the workflow's execution is the client's."""

    def add_machine(self, machine: Any) -> int:
        """Note nothing: an engine is one machine."""
        return -1

    def add_exec(self, exec_: Any) -> None:
        """Note nothing: a log object made elsewhere cannot travel."""


class WorkflowRecorder(Recorder):
    """Records one execution of a whole workflow, and stands for its log as well."""

    def __init__(self) -> None:
        super().__init__(Record(WORKFLOW, time.time()))

    def start_workflow_execution(self, *_: Any, **__: Any) -> WorkflowRecorder:
        """Return what the modules' executions are told to: this."""
        return self

    def finish_workflow_execution(self, errors: Any, suspended: Any = False) -> None:
        """Note that the workflow has ended, well or not."""
        self.parent.end = time.time()
        self.parent.completed = -2 if suspended else -1 if errors else 1
