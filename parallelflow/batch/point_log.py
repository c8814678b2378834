"""The executions of points in VisTrails' log, each with its parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vistrails.core.vistrail.annotation import Annotation

from parallelflow.engine.recorder import Record
from parallelflow.engine.workflow_spec import Point
from parallelflow.loops.log_objects import LogObjects, annotations_of, log_time
from parallelflow.work.worker import Worker

from .describe import BatchWorkflow

__all__ = ["PARAMETERS", "PointLog", "note_parameters"]

PARAMETERS = "parallelflow_parameters"
"""The annotation of a workflow's execution with its parameters, as JSON."""

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
            What its engine has recorded.
        worker : Worker
            The engine.
        """
        workflow = self._workflows[self._points[position].workflow]
        controller = workflow.controller
        log = controller.get_logger().start_workflow_execution(
            None, controller.vistrail, workflow.pipeline, controller.current_version
        )
        parameters = json.dumps(dict(self._parameters[position]), ensure_ascii=False)
        log.insert_workflow_exec_annotations(
            {REASON: workflow.reason, PARAMETERS: parameters, **dict(annotations_of(worker))}
        )
        objects = LogObjects(log)
        record.shift(worker.clock_difference)
        machine = objects.machine(worker)
        for child in record.children:
            log.workflow_exec.add_item_exec(objects.item(child, machine))
        log.workflow_exec.ts_start = log_time(record.start)
        log.workflow_exec.ts_end = log_time(record.end)
        log.workflow_exec.completed = record.completed
