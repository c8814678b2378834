"""What a client tells an engine about whole workflows. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .spec import PackageNeed

__all__ = ["Given", "Point", "WorkflowSpec", "WorkflowsSpec"]


@dataclass(frozen=True)
class Point:
    """One set of parameter values, for which a workflow is run.

    Attributes
    ----------
    workflow : int
        Which workflow, by its position.
    parameters : tuple of (int, str)
        Ids of parameters in its pipeline, and their values as VisTrails writes them.
    number : str
        What the names of files that output modules write are made unique with; empty to leave
        them as they are.
    """

    workflow: int
    parameters: tuple[tuple[int, str], ...]
    number: str = ""


@dataclass(frozen=True)
class Given:
    """What the client has computed of a module that no parameter reaches.

    Attributes
    ----------
    outputs : dict of str to object
        The values on its output ports.
    """

    outputs: dict[str, Any]


@dataclass
class WorkflowSpec:
    """One workflow.

    Attributes
    ----------
    pipeline : str
        XML of the pipeline.
    info : dict
        ``version``, ``locator`` and ``reason``, which its modules find in ``moduleInfo``.
    given : dict of int to Given
        By module, what need not be computed; what is upstream of these modules does not travel.
    depths : dict of int to int
        How deep each module is looped by lists on its ports.
    """

    pipeline: str
    info: dict[str, Any]
    given: dict[int, Given] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)


@dataclass
class WorkflowsSpec:
    """Workflows that are run for points, and what they need.

    Attributes
    ----------
    workflows : list of WorkflowSpec
        The workflows.
    packages : list of PackageNeed
        Those they depend on included, in an order in which they can be enabled.
    configuration : tuple of dict
        VisTrails' own configuration in the client's session: in force, and saved.
    user_packages : str or None
        The client's folder of user packages.
    versions : dict of str to str
        Versions of the client that have to fit: ``parallelflow``, ``python``.
    stop_on_error : bool
        Whether the first module that fails ends a workflow.
    log : bool
        Whether executions are to be recorded.
    """

    workflows: list[WorkflowSpec]
    packages: list[PackageNeed]
    configuration: tuple[dict[str, Any], dict[str, Any]]
    user_packages: str | None
    versions: dict[str, str]
    stop_on_error: bool = True
    log: bool = False
