"""The parameters of a workflow's modules, by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["parameters_of", "set_parameters"]


def parameters_of(pipeline: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the module and the parameter for each parameter that is set in a pipeline.

    Those inside Groups are not among them.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The pipeline.
    """
    for module in pipeline.module_list:
        for function in module.functions:
            for parameter in function.params:
                yield module, parameter


def set_parameters(pipeline: Any, values: Iterable[tuple[int, str]]) -> None:
    """Set parameters of a pipeline.

    VisTrails' own ``update_params`` passes over those that are not in the pipeline's index, which
    one that was read from XML does not have.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The pipeline; it is changed.
    values : iterable of (int, str)
        Ids of parameters, and their values as VisTrails writes them.

    Raises
    ------
    KeyError
        If there is no such parameter.
    """
    known = {parameter.db_id: parameter for _, parameter in parameters_of(pipeline)}
    for number, text in values:
        known[number].strValue = text
