"""Parameters that say where a workflow writes files: one name for each point."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from parallelflow.engine.file_names import numbered
from parallelflow.engine.workflow_parameters import parameters_of

__all__ = ["output_paths"]


def output_paths(
    pipeline: Any, varied: Collection[int]
) -> Callable[[str], tuple[tuple[int, str], ...]]:
    """Return a function that gives a workflow's output paths for a point's number.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow.
    varied : collection of int
        Ids of the parameters that points set themselves.

    Returns
    -------
    callable
        Of the number as text, it returns ids of parameters with their values.
    """
    found = [
        (parameter.db_id, parameter.strValue)
        for _, parameter in parameters_of(pipeline)
        if parameter.type == "OutputPath" and parameter.strValue and parameter.db_id not in varied
    ]

    def paths(number: str) -> tuple[tuple[int, str], ...]:
        return tuple((key, numbered(name, number)) for key, name in found) if number else ()

    return paths
