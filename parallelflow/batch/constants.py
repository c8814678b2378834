"""What no parameter of an exploration reaches: computed once here, and given to the engines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vistrails.core.modules.vistrails_module import InvalidOutput, Module

from parallelflow.engine import payload
from parallelflow.engine.workflow_parameters import parameters_of
from parallelflow.engine.workflow_results import failure_text, named
from parallelflow.engine.workflow_spec import Given

from .describe import BatchWorkflow
from .reach import divide, may_be_cached

__all__ = ["compute_constants", "recomputed", "take_constants"]


def compute_constants(workflow: BatchWorkflow, varied: Collection[int]) -> str:
    """Compute what no parameter reaches, once and in this session.

    Modules that are not to be cached are executed for each point, and so is what is downstream of
    them, as VisTrails does it; and what gives values that cannot be sent.

    Parameters
    ----------
    workflow : BatchWorkflow
        The workflow; its ``given`` and ``travels`` are set.
    varied : collection of int
        The ids of the parameters that points set.

    Returns
    -------
    str
        Which module has failed and why; empty if none has.
    """
    pipeline = workflow.pipeline
    start = {m.id for m, parameter in parameters_of(pipeline) if parameter.db_id in varied}
    start |= {m.id for m in pipeline.module_list if not may_be_cached(m)}
    travels, feeders = divide(pipeline, start)
    if not feeders:
        return ""
    info = workflow.info
    # locator, version, pipeline, view, aliases, parameters, reason, sinks, extra_info
    execution: tuple[Any, ...] = (
        info["locator"], info["current_version"], pipeline, None, None, None, info["reason"],
        sorted(feeders), {},
    )  # fmt: skip
    [result], _ = workflow.controller.execute_workflow_list([execution])
    if result.errors:
        return failure_text(pipeline, result.errors)
    if result.suspended:
        return failure_text(pipeline, result.suspended).replace(" failed: ", " waits for a job: ")
    workflow.given, travels = take_constants(pipeline, start, result.objects, set())
    workflow.travels = travels | set(workflow.given)
    return ""


def take_constants(
    pipeline: Any, start: Collection[int], objects: Mapping[int, Any], stay: Collection[int]
) -> tuple[dict[int, Given], set[int]]:
    """Return what has been computed for the engines, and which modules they execute.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow.
    start : collection of int
        The modules with parameters that vary, and those that are not cached.
    objects : mapping
        Module objects by id; those upstream have been executed.
    stay : collection of int
        Modules that engines do not execute, and nothing that is downstream of them.
    """
    start = {*start, *(n for n in objects if not objects[n].is_cacheable())} - {*stay}
    while True:
        travels, feeders = divide(pipeline, start, stay)
        given = {n: _given(pipeline, objects[n], n, travels) for n in feeders}
        unsendable = {number for number, values in given.items() if values is None}
        if not unsendable:
            return {n: values for n, values in given.items() if values is not None}, travels
        start |= unsendable


def recomputed(workflow: BatchWorkflow, varied: Collection[int]) -> list[str]:
    """Return the modules that are executed for each point though no parameter reaches them.

    Parameters
    ----------
    workflow : BatchWorkflow
        The workflow.
    varied : collection of int
        The ids of the parameters that points set.

    Returns
    -------
    list of str
        Their names, labels and ids. What nothing is connected to is not among them.
    """
    pipeline = workflow.pipeline
    start = {m.id for m, parameter in parameters_of(pipeline) if parameter.db_id in varied}
    reached = divide(pipeline, start)[0]
    sinks = set(pipeline.graph.sinks())
    computed = set(pipeline.modules) if workflow.travels is None else workflow.travels
    return [
        named(pipeline.modules[number], number)
        for number in sorted(computed - reached - sinks - set(workflow.given))
    ]


def _given(pipeline: Any, computed: Any, number: int, travels: set[int]) -> Given | None:
    """Return the outputs of a module, None if they cannot travel."""
    connected = {
        connection.source.name
        for connection in pipeline.connection_list
        if connection.sourceId == number and connection.destinationId in travels
    }
    ports = connected or set(computed.outputPorts) - {"self"}
    values = {
        port: value
        for port in sorted(ports)
        if (value := computed.outputPorts.get(port)) is not None and value is not InvalidOutput
    }
    if any(isinstance(value, Module) for value in values.values()):
        return None
    try:
        payload.dump(values)
    except Exception:  # of any kind: pickling runs the classes' own code
        return None
    return Given(values)
