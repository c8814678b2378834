"""One execution of a loop, as its kind describes it to the evaluation of elements."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vistrails.core.modules.vistrails_module import ModuleSuspended

from parallelflow.checkpoints.content import ContentDigest
from parallelflow.engine import session_state
from parallelflow.engine.nesting import Nesting
from parallelflow.engine.spec import FunctionSpec
from parallelflow.errors import ElementFailure

from .describe import describe, modules_to_send
from .provenance import LoopLog

__all__ = ["Loop", "label_of"]


@dataclass(frozen=True)
class Loop:
    """One execution of a loop: what is evaluated, for which elements, and on whose behalf.

    Attributes
    ----------
    name : str
        What the kind is called, such as ``Map``.
    module : Module
        The module that loops. Errors that are no element's are raised on it.
    functions : sequence of Module
        The modules that are evaluated for each element, at least one. In a list that iterates by
        itself it is the looping module.
    elements : sequence
        The elements, at least one.
    input_ports : sequence of str
        The ports that take an element or its parts.
    output_port : str or None
        The port that gives the value; None if the value is a dict of all output ports.
    log : LoopLog
        Where the elements' executions are logged.
    evaluate_in_session : callable
        Called with this loop and an element's index; returns the element's value, computed in
        this process as VisTrails does. What it raises is VisTrails' own.
    alternative : str
        What the user can do without a cluster, as the end of a sentence.
    stop_on_error : bool
        Whether the first failed element ends the loop, or the others are finished first.
    on_value : callable, optional
        Called with an element's index and value, in the elements' order, as soon as all before it
        have values; what it raises ends the loop.
    time_limit : float or None
        How long an element may take, seconds.
    retries : int
        How often an element that has raised is tried again.
    leave_out : callable or None
        Called with the failed elements, by index, if the loop is to go on without them; returns
        the value that each of them has. None: they fail the loop.
    measured : bool
        Whether the first elements are evaluated here and timed, and the others too if they would
        take less than sending them costs.
    serial_if_unable : bool
        Whether elements that cannot travel, or find no engine, are evaluated here; that is an
        error if not.
    list_depth : int or None
        See `FunctionSpec`.
    first : int
        The number of the first iteration, as the log has it.
    nesting : Nesting or None
        The lists around the elements, if these are those of the innermost of lists of lists.
    suspended : callable or None
        Called with what elements that wait have raised, by index; returns what the loop raises.
        None: one `ModuleSuspended` with all of them.
    """

    name: str
    module: Any
    functions: Sequence[Any]
    elements: Sequence[Any]
    input_ports: Sequence[str]
    output_port: str | None
    log: LoopLog
    evaluate_in_session: Callable[[Loop, int], Any]
    alternative: str
    stop_on_error: bool = True
    on_value: Callable[[int, Any], None] | None = None
    time_limit: float | None = None
    retries: int = 0
    leave_out: Callable[[Mapping[int, ElementFailure]], Any] | None = None
    measured: bool = False
    serial_if_unable: bool = False
    list_depth: int | None = None
    first: int = 0
    nesting: Nesting | None = None
    suspended: Callable[[dict[int, ModuleSuspended]], ModuleSuspended] | None = None

    @cached_property
    def spec(self) -> FunctionSpec:
        """The functions as engines get them."""
        return describe(
            self.module,
            self.functions,
            self.input_ports,
            self.output_port,
            log=self.log.wanted,
            list_depth=self.list_depth,
            first=self.first,
            nesting=self.nesting,
        )

    @cached_property
    def copied_modules(self) -> list[Any]:
        """The session's own modules that the engines have copies of."""
        return modules_to_send(self.functions, self.input_ports)

    @cached_property
    def value_digests(self) -> list[ContentDigest]:
        """Digests of the functions' constant inputs, in the order of ``spec.values``.

        Engines need not wait for them; see `settle`.
        """
        return [ContentDigest((each.value, each.sigstring)) for each in self.spec.values]

    def settle(self) -> None:
        """Wait for the digests that have been asked for, after which the values may change."""
        for digest in self.__dict__.get("value_digests", ()):
            digest.get()

    @cached_property
    def session(self) -> tuple[Any, ...]:
        """What of this process decides values, as it was when this was first asked for."""
        return session_state.identity()

    @property
    def other_functions(self) -> list[Any]:
        """The functions but the looping module itself, which reports its own execution."""
        return [function for function in self.functions if function is not self.module]

    def path_of(self, index: int) -> tuple[int, ...]:
        """Return an element's index in each of the lists around it; empty if there is but one."""
        return self.nesting.path_of(index) if self.nesting is not None else ()

    @cached_property
    def label(self) -> str:
        """What the user calls the module that loops: its label, or the kind's name."""
        return label_of(self.module, self.name)


def label_of(module: Any, name: str) -> str:
    """Return what the user calls a module: its label in the workflow, or else a name.

    Parameters
    ----------
    module : Module
        The module, with what the interpreter tells it of its pipeline.
    name : str
        What its kind is called.
    """
    info = module.moduleInfo
    with contextlib.suppress(Exception):  # a module outside a pipeline has no label
        twin = info["pipeline"].modules[info["moduleId"]]
        if twin.has_annotation_with_key("__desc__"):
            return str(twin.get_annotation_by_key("__desc__").value)
    return name
