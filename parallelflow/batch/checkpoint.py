"""What makes two runs of whole workflows the same for their checkpoint, in whatever session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from parallelflow.checkpoints.content import FileContent, content_digest
from parallelflow.checkpoints.identity import RunIdentity, digest_text
from parallelflow.engine.workflow import Collect
from parallelflow.engine.workflow_parameters import parameters_of
from parallelflow.engine.workflow_spec import Point, WorkflowsSpec
from parallelflow.loops.checkpoint import session_parts

from .describe import BatchWorkflow

__all__ = ["compared_points", "identity_of"]

FILES = ("Directory", "File", "Path")
"""VisTrails' modules for what is read, and types of parameters that name it."""


def identity_of(
    label: str, workflows: Sequence[BatchWorkflow], spec: WorkflowsSpec, collect: Collect
) -> RunIdentity:
    """Return what a run of workflows is.

    Parameters
    ----------
    label : str
        What the user calls it.
    workflows : sequence of BatchWorkflow
        The workflows.
    spec : WorkflowsSpec
        What engines get of them.
    collect : Collect
        Makes what is kept of each execution.
    """
    names = ", ".join(workflow.name for workflow in workflows)
    file = str(getattr(workflows[0].controller.locator, "name", None) or "")
    return RunIdentity(f"{names}, {label}", label, dict(_parts(workflows, spec, collect)), file)


def _parts(
    workflows: Sequence[BatchWorkflow], spec: WorkflowsSpec, collect: Collect
) -> Iterator[tuple[str, str]]:
    # A function's name; what is no function says by its representation what it collects.
    yield "what is collected", str(getattr(collect, "__qualname__", collect))
    for workflow, sent in zip(workflows, spec.workflows, strict=True):
        shape = (sent.pipeline, sorted(sent.depths.items()))
        yield f"the workflow {workflow.name}", digest_text(content_digest(shape))
        for number, given in sent.given.items():
            name = f"the outputs of module {number} of {workflow.name}"
            yield name, digest_text(content_digest(given.outputs))
        for name in sorted(set(_files(workflow.pipeline))):
            yield f"the file {name}", digest_text(content_digest(FileContent(name)))
    yield "stop on errors", str(spec.stop_on_error)
    yield from session_parts(spec.packages, spec.versions)


def _files(pipeline: Any) -> Iterator[str]:
    """Yield the names of what a workflow reads, as its parameters have them."""
    for module, parameter in parameters_of(pipeline):
        if _names_file(module, parameter) and parameter.strValue:
            yield str(parameter.strValue)
    for module in pipeline.module_list:
        if module.is_group() or module.is_abstraction():
            yield from _files(module.pipeline)


def _names_file(module: Any, parameter: Any) -> bool:
    return parameter.type in FILES or (module.name in FILES and parameter.type == "String")


def compared_points(workflows: Sequence[BatchWorkflow], points: Sequence[Point]) -> list[Any]:
    """Return points as a checkpoint compares them: what they read counts by its content.

    Parameters
    ----------
    workflows : sequence of BatchWorkflow
        The workflows.
    points : sequence of Point
        The points.
    """
    files = [
        {p.db_id for module, p in parameters_of(w.pipeline) if _names_file(module, p)}
        for w in workflows
    ]
    return [
        (
            point.workflow,
            point.number,
            [
                (number, FileContent(text) if number in files[point.workflow] else text)
                for number, text in point.parameters
            ],
        )
        for point in points
    ]
