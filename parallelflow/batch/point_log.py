"""The executions of points in VisTrails' log, each with its parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vistrails.core.vistrail.annotation import Annotation

from parallelflow.engine.recorder import Record
from parallelflow.engine.workflow_spec import Point
from parallelflow.loops.log_objects import EnginePlace, LogObjects, annotations_of, log_time
from parallelflow.work.worker import Worker

from .describe import BatchWorkflow
from .kept_points import LoggedPoint

__all__ = ["PARAMETERS", "RESUMED", "PointLog", "note_parameters"]

PARAMETERS = "parallelflow_parameters"
"""The annotation of a workflow's execution with its parameters, as JSON."""

RESUMED = "parallelflow_resumed"
"""The annotation of a point that an earlier run has executed."""

REASON = "__reason__"
"""VisTrails' own annotation for why a workflow was executed."""


def note_parameters(controller: Any, parameters: Mapping[str, str]) -> None:
    """Annotate the executions that a controller has logged with the parameters they had.

    Parameters
    ----------
    controller : VistrailController
        The controller, with VisTrails' execution log on.
    parameters : mapping
        The parameters as the user names them, and their values.
    """
    for execution in controller.log.workflow_execs:
        number = controller.log.id_scope.getNewId(Annotation.vtType)
        text = json.dumps(dict(parameters), ensure_ascii=False)
        execution.add_annotation(Annotation(number, PARAMETERS, text))


class PointLog:
    """Adds what engines have executed to the logs of the workflows' controllers.

    Parameters
    ----------
    workflows : sequence of BatchWorkflow
        The workflows.
    points : sequence of Point
        The points.
    parameters : sequence of mapping
        By point, its parameters as the user names them, and their values.
    """

    def __init__(
        self,
        workflows: Sequence[BatchWorkflow],
        points: Sequence[Point],
        parameters: Sequence[Mapping[str, str]],
    ) -> None:
        self._workflows = workflows
        self._points = points
        self._parameters = parameters

    def add(self, position: int, record: Record, worker: Worker) -> None:
        """Add the execution of a point.

        Parameters
        ----------
        position : int
            The point's.
        record : Record
            What its engine has recorded; its times become those of this machine's clock.
        worker : Worker
            The engine.
        """
        record.shift(worker.clock_difference)
        log = self._begin(position, dict(annotations_of(worker)))
        self._fill(log, record, worker)

    def add_kept(self, position: int, kept: Any) -> None:
        """Add a point that an earlier run has executed.

        Parameters
        ----------
        position : int
            The point's.
        kept : object
            What its checkpoint has: with a `LoggedPoint`, the log has the modules and times of that
            run. Without, it has the point with its parameters.
        """
        if isinstance(kept, LoggedPoint):
            log = self._begin(position, {**dict(annotations_of(kept.engine)), RESUMED: "true"})
            self._fill(log, kept.record, kept.engine)
        else:
            log = self._begin(position, {RESUMED: "true"})
            log.finish_workflow_execution({})

    def _begin(self, position: int, notes: dict[str, str]) -> Any:
        """Return the log controller of a point's execution, with its parameters and notes."""
        workflow = self._workflows[self._points[position].workflow]
        controller = workflow.controller
        log = controller.get_logger().start_workflow_execution(
            None, controller.vistrail, workflow.pipeline, controller.current_version
        )
        parameters = json.dumps(dict(self._parameters[position]), ensure_ascii=False)
        log.insert_workflow_exec_annotations(
            {REASON: workflow.reason, PARAMETERS: parameters, **notes}
        )
        return log

    def _fill(self, log: Any, record: Record, worker: EnginePlace) -> None:
        objects = LogObjects(log)
        machine = objects.machine(worker)
        for child in record.children:
            log.workflow_exec.add_item_exec(objects.item(child, machine))
        log.workflow_exec.ts_start = log_time(record.start)
        log.workflow_exec.ts_end = log_time(record.end)
        log.workflow_exec.completed = record.completed
