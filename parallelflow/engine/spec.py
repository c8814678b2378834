"""What a client tells an engine about a function of a workflow. Standard library only."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from .nesting import Nesting

__all__ = ["NOT_SENT", "SUBWORKFLOW_KEY", "FunctionSpec", "PackageNeed", "PortValue"]

SUBWORKFLOW_KEY = "__parallelflow_subworkflow__"
"""Annotation of a Group that travels in a SubWorkflow's place: the SubWorkflow's name."""


class Absent(enum.Enum):
    """What stands for a value that did not travel."""

    NOT_SENT = "nothing is connected to its port, and it cannot travel"


NOT_SENT = Absent.NOT_SENT


@dataclass(frozen=True)
class PackageNeed:
    """A VisTrails package that the function needs, as the client has it.

    Attributes
    ----------
    identifier, version : str
        What the client has enabled.
    module : str
        Full name of its module, e.g. ``userpackages.probe``.
    file : str
        The file that this module was imported from, empty if it has none.
    initial : dict or None
        The configuration that it was initialized with, None if it has no configuration.
    configuration : dict or None
        The configuration that it has now.
    """

    identifier: str
    version: str
    module: str
    file: str
    initial: dict[str, Any] | None = None
    configuration: dict[str, Any] | None = None


@dataclass(frozen=True)
class PortValue:
    """A value that the client has computed for an input port of a travelling module.

    Attributes
    ----------
    module : int
        The module's id in the travelling pipeline.
    port : str
        The input port.
    value : object
        The value.
    sigstring : str or None
        Type of the output port that it came from, None if that is unknown.
    depth : int
        List depth of that port.
    list_depth : int
        Depth to which the module that it came from was looped.
    """

    module: int
    port: str
    value: Any
    sigstring: str | None
    depth: int
    list_depth: int


@dataclass
class FunctionSpec:
    """A function of a workflow: modules, computed inputs, and how elements go in and out.

    Attributes
    ----------
    pipeline : str
        XML of a pipeline with the function's modules (one, unless it takes other modules
        as its inputs); SubWorkflows have become Groups.
    functions : list of int
        Ids of the modules on FunctionPort, in the order of their connections.
    values : list of PortValue
        Inputs that are the same for every element.
    outputs : dict of int to list of str
        By module, the output ports that are connected somewhere.
    packages : list of PackageNeed
        Those it depends on included, in an order in which they can be enabled.
    configuration : tuple of dict
        VisTrails' own configuration in the client's session: in force, and saved.
    user_packages : str or None
        The client's folder of user packages.
    input_ports : list of str
        The ports that take an element or its parts.
    output_port : str or None
        The port that gives the result; None if the result is a dict of all output ports.
    signature : str
        The looping module's signature, 40 hexadecimal digits; without input ports the function's.
    info : dict
        What modules find in ``moduleInfo``.
    log : bool
        Whether executions are to be recorded.
    host : str
        The client's machine: files that a function makes elsewhere are brought to it.
    versions : dict of str to str
        Versions of the client that have to fit: ``parallelflow``, ``python``, ``vistrails``.
    list_depth : int or None
        For lists that iterate by themselves: to what depth the module still iterates over what it
        gets for one element, 0 for not at all. None for folds, whose elements have the types that
        VisTrails guesses.
    first : int
        The number of the first iteration.
    nesting : Nesting or None
        The lists around the elements, if these are those of the innermost of lists of lists.
    """

    pipeline: str
    functions: list[int]
    values: list[PortValue]
    outputs: dict[int, list[str]]
    packages: list[PackageNeed]
    configuration: tuple[dict[str, Any], dict[str, Any]]
    user_packages: str | None
    input_ports: list[str]
    output_port: str | None
    signature: str
    info: dict[str, Any] = field(default_factory=dict)
    log: bool = False
    host: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    list_depth: int | None = None
    first: int = 0
    nesting: Nesting | None = None
