"""What the report of a run tells of its workflow."""

from __future__ import annotations

import contextlib
import importlib.metadata
from pathlib import Path
from typing import Any

from parallelflow.engine.workflow_results import title
from parallelflow.progress import Progress
from parallelflow.runs.report import About

__all__ = ["about_run"]

#: Parameters that are told, and characters of one: a list may have a million elements.
MOST, LONGEST = 60, 80


def about_run(run: Progress, controller: Any) -> About:
    """Return what was run: the workflow's file and version, its parameters, the libraries.

    Parameters
    ----------
    run : Progress
        The run.
    controller : VistrailController
        Of the vistrail that was executed.
    """
    facts = [("ipyparallel", importlib.metadata.version("ipyparallel"))]
    place = run.trace.place
    if place is None or place.version not in controller.vistrail.actionMap:
        return About(run.label, facts)
    file = ""
    with contextlib.suppress(AttributeError):  # a vistrail that was never saved
        file = str(controller.locator.name)
    version = controller.vistrail.getVersionName(place.version) or str(place.version)
    facts.insert(0, ("Workflow", f"{file or 'not saved'}, version {version}"))
    parameters = _parameters(controller, place.version)
    if parameters:
        facts.insert(1, ("Parameters", ", ".join(parameters)))
    return About(f"{Path(file).name or 'Untitled'}:{version}", facts)


def _parameters(controller: Any, version: int) -> list[str]:
    """Return the parameters of a workflow's modules, but for their code."""
    pipeline = controller.current_pipeline
    if controller.current_version != version:
        pipeline = controller.vistrail.getPipeline(version)
    found = [
        f"{title(module)}.{function.name} = {_short(function)}"
        for module in pipeline.module_list
        for function in module.functions
        if function.name != "source"
    ]
    more = len(found) - MOST
    return [*found[:MOST], f"and {more} more"] if more > 0 else found


def _short(function: Any) -> str:
    text = ", ".join(parameter.strValue for parameter in function.params)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
