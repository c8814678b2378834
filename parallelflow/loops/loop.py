"""One execution of a loop, as its kind describes it to the evaluation of elements."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from parallelflow.engine.spec import FunctionSpec
from parallelflow.errors import ElementFailure

from .describe import modules_to_send
from .provenance import LoopLog

__all__ = ["Loop"]


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
        The modules that are evaluated for each element, at least one.
    elements : sequence
        The elements, at least one.
    spec : FunctionSpec
        The functions as engines get them.
    log : LoopLog
        Where the elements' executions are logged.
    stop_on_error : bool
        Whether the first failed element ends the loop, or the others are finished first.
    evaluate_in_session : callable
        Called with this loop and an element's index; returns the element's value, computed in
        this process as VisTrails does. What it raises is VisTrails' own.
    alternative : str
        What the user can do without a cluster, as the end of a sentence.
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
    """

    name: str
    module: Any
    functions: Sequence[Any]
    elements: Sequence[Any]
    spec: FunctionSpec
    log: LoopLog
    stop_on_error: bool
    evaluate_in_session: Callable[[Loop, int], Any]
    alternative: str
    on_value: Callable[[int, Any], None] | None = None
    time_limit: float | None = None
    retries: int = 0
    leave_out: Callable[[Mapping[int, ElementFailure]], Any] | None = None

    @cached_property
    def copied_modules(self) -> list[Any]:
        """The session's own modules that the engines have copies of."""
        return modules_to_send(self.functions, self.spec.input_ports)

    @cached_property
    def label(self) -> str:
        """What the user calls the module that loops: its label, or the kind's name."""
        info = self.module.moduleInfo
        with contextlib.suppress(Exception):  # a module outside a pipeline has no label
            twin = info["pipeline"].modules[info["moduleId"]]
            if twin.has_annotation_with_key("__desc__"):
                return str(twin.get_annotation_by_key("__desc__").value)
        return self.name
