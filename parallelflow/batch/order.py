"""The order in which points are evaluated: those that have much in common next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parallelflow.engine.workflow_parameters import parameters_of
from parallelflow.engine.workflow_spec import Point

__all__ = ["related_together"]


def related_together(pipelines: Sequence[Any], points: Sequence[Point]) -> list[int]:
    """Return the positions of points in an order in which upstream parameters change least.

    An engine keeps what its last point has computed: the next one computes only what is
    downstream of the parameters that differ.

    Parameters
    ----------
    pipelines : sequence of vistrails Pipeline
        The workflows.
    points : sequence of Point
        The points; of one workflow, all set the same parameters.
    """
    ranks = [_ranks(pipeline) for pipeline in pipelines]
    seen: dict[tuple[int, int, str], int] = {}

    def key(position: int) -> tuple[int, ...]:
        point = points[position]
        rank = ranks[point.workflow]
        ordered = sorted(point.parameters, key=lambda parameter: rank.get(parameter[0], 0))
        values = ((point.workflow, number, text) for number, text in ordered)
        return (point.workflow, *(seen.setdefault(value, len(seen)) for value in values))

    return sorted(range(len(points)), key=key)


def _ranks(pipeline: Any) -> dict[int, int]:
    """Return how far downstream each parameter is, by its id."""
    modules = pipeline.graph.vertices_topological_sort()
    ranks = {number: rank for rank, number in enumerate(modules)}
    return {parameter.db_id: ranks[module.id] for module, parameter in parameters_of(pipeline)}
