"""What travels to the engines: workflows, their packages and the session's configuration."""

from __future__ import annotations

import pickle
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vistrails.core.configuration import get_vistrails_configuration
from vistrails.core.interpreter.default import get_default_interpreter
from vistrails.core.vistrail.pipeline import Pipeline

import parallelflow
from parallelflow.engine.workflow_spec import Given, WorkflowSpec, WorkflowsSpec
from parallelflow.host import configuration
from parallelflow.host.entity_xml import to_xml
from parallelflow.loops.describe import copy_to_send, packages_of, user_packages_folder

__all__ = ["BatchWorkflow", "describe", "resolve_variables"]


@dataclass
class BatchWorkflow:
    """A workflow that is run for points.

    Attributes
    ----------
    name : str
        What the user calls it.
    controller : VistrailController
        The controller that has opened it.
    pipeline : vistrails Pipeline
        A copy of its pipeline with every parameter that points set.
    reason : str
        Why it is run, as VisTrails logs it.
    given : dict of int to Given
        By module, what has been computed and need not be computed for each point.
    travels : set of int or None
        Ids of the modules that engines execute, or are given; None for all.
    """

    name: str
    controller: Any
    pipeline: Any
    reason: str
    given: dict[int, Given] = field(default_factory=dict)
    travels: set[int] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What modules find in ``moduleInfo``, by the interpreter's names."""
        return {
            "locator": self.controller.locator,
            "current_version": self.controller.current_version,
            "reason": self.reason,
        }


def describe(workflows: Sequence[BatchWorkflow], log: bool = False) -> WorkflowsSpec:
    """Describe workflows as engines get them.

    Parameters
    ----------
    workflows : sequence of BatchWorkflow
        The workflows, at least one.
    log : bool
        Whether engines are to record the executions.
    """
    pipelines = [_pipeline_to_send(workflow) for workflow in workflows]
    return WorkflowsSpec(
        workflows=[
            WorkflowSpec(
                pipeline=to_xml(pipeline),
                info=_info(workflow),
                given=workflow.given,
                depths=_depths(workflow),
            )
            for workflow, pipeline in zip(workflows, pipelines, strict=True)
        ],
        packages=packages_of(pipelines),
        configuration=configuration.session_values(),
        user_packages=user_packages_folder(),
        versions={"parallelflow": parallelflow.version, "python": platform.python_version()},
        stop_on_error=bool(getattr(get_vistrails_configuration(), "stopOnError", True)),
        log=log,
    )


def resolve_variables(controller: Any, pipeline: Any, but: Iterable[str] = ()) -> None:
    """Set the parameters that are variables of the vistrail.

    Parameters
    ----------
    controller : VistrailController
        The controller of the vistrail.
    pipeline : vistrails Pipeline
        The pipeline; it is changed.
    but : iterable of str
        Variables (their uuids) that are left, because points set them.
    """
    variables = {v.uuid: v for v in controller.get_vistrail_variables() if v.uuid not in set(but)}
    if variables:
        get_default_interpreter().resolve_variables(variables.get, pipeline)


def _pipeline_to_send(workflow: BatchWorkflow) -> Any:
    """Return a pipeline of the modules that travel; what only feeds given ones does not."""
    whole = workflow.pipeline
    ids = set(whole.modules) if workflow.travels is None else workflow.travels
    result = Pipeline()
    for number in sorted(ids):
        result.add_module(copy_to_send(whole.modules[number]))
    for connection in whole.connection_list:
        ends = connection.sourceId, connection.destinationId
        if ids.issuperset(ends) and ends[1] not in workflow.given:
            result.add_connection(connection.do_copy())
    return result


def _depths(workflow: BatchWorkflow) -> dict[int, int]:
    """Return how deep modules are looped; only known here if their upstream does not travel."""
    if workflow.travels is None:
        return {}
    depths = dict(workflow.pipeline.do_copy().mark_list_depth())
    return {number: depths[number] for number in workflow.travels}


def _info(workflow: BatchWorkflow) -> dict[str, Any]:
    info = workflow.info
    try:
        pickle.dumps(info["locator"])
    except Exception:  # of a database, or of a session's own
        info["locator"] = None
    return info
