"""The Map module: Control Flow's Map, its elements evaluated on the engines of a cluster.

What a Map does is told to `evaluation.evaluate` as a `Loop` by `folds`; docs/architecture.md
follows one element from the list to the engine and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vistrails.core.modules.config import IPort, OPort
from vistrails.packages.controlflow.fold import FoldWithModule

from parallelflow.engine.place import on_engine
from parallelflow.errors import ElementFailure

from .folds import fold_on_engines

__all__ = ["Map"]


class Map(FoldWithModule):
    """Control Flow's Map on the engines of an IPython cluster.

    Runs the module on FunctionPort once for each element of InputList: the element (or
    its parts) goes to the input ports named by InputPort, and Result is the list of what
    the output port named by OutputPort gave, in the elements' order.

    OnError (optional) says what happens when an element fails: 'stop' there as Control
    Flow's Map does; 'finish others' first and then fail naming every failed element; or
    'continue' without those that have failed: they have the value of ValueForFailed (None if
    it is not given) in the result, and Failures lists index, input and message of each.

    ElementTimeout (optional) is how many seconds an element may take; one that takes longer is
    interrupted, and fails. Retries (optional) is how often an element that has raised is tried
    again, on another engine where there is one.
    """

    _input_ports = [
        IPort("OnError", "basic:String", optional=True),
        IPort("ElementTimeout", "basic:Float", optional=True),
        IPort("Retries", "basic:Integer", optional=True),
        IPort("ValueForFailed", "basic:Variant", optional=True),
    ]
    _output_ports = [OPort("Failures", "basic:List", optional=True)]

    def __init__(self) -> None:
        FoldWithModule.__init__(self)
        self._left_out: list[tuple[int, str, str]] = []

    def is_cacheable(self) -> bool:
        """Return False if elements were left out: executing again computes them again."""
        return not self._left_out and bool(FoldWithModule.is_cacheable(self))

    def compute(self) -> None:
        """Evaluate all elements; set Result, and Failures of those that were left out."""
        self._left_out = []
        FoldWithModule.compute(self)
        self.set_output("Failures", self._left_out)

    def _note_failures(self, failures: Mapping[int, ElementFailure]) -> None:
        self._left_out = [(i, failures[i].input, failures[i].message) for i in sorted(failures)]

    def updateFunctionPort(self) -> None:
        """Evaluate all elements; `partialResult` has what `operation` makes of their values."""
        if on_engine():
            # Inside a function that runs on an engine, and in programs that it starts, there is
            # no cluster to ask for: it may be the one that waits for them.
            FoldWithModule.updateFunctionPort(self)
        else:
            fold_on_engines(self, append=Map.operation, note_failures=self._note_failures)

    def setInitialValue(self) -> None:
        """Begin with an empty list."""
        self.initialValue: list[Any] = []

    def operation(self) -> None:
        """Append the element's result."""
        self.partialResult.append(self.elementResult)
