"""The Map module: Control Flow's Map, its elements evaluated on the engines of a cluster.

What a Map does is told to `evaluation.evaluate` as a `Loop` by `folds`; docs/architecture.md
follows one element from the list to the engine and back.
"""

from __future__ import annotations

from typing import Any

from vistrails.core.modules.config import IPort
from vistrails.packages.controlflow.fold import FoldWithModule

from parallelflow.engine.place import on_engine

from .folds import fold_on_engines

__all__ = ["Map"]


class Map(FoldWithModule):
    """Control Flow's Map on the engines of an IPython cluster.

    Runs the module on FunctionPort once for each element of InputList: the element (or
    its parts) goes to the input ports named by InputPort, and Result is the list of what
    the output port named by OutputPort gave, in the elements' order.

    OnError (optional) says what happens when an element fails: ``stop`` there as Control
    Flow's Map does, or ``finish others`` first and then fail naming every failed element.
    """

    _input_ports = [IPort("OnError", "basic:String", optional=True)]

    def updateFunctionPort(self) -> None:
        """Evaluate all elements; `partialResult` has what `operation` makes of their values."""
        if on_engine():
            # Inside a function that runs on an engine, and in programs that it starts, there is
            # no cluster to ask for: it may be the one that waits for them.
            FoldWithModule.updateFunctionPort(self)
        else:
            fold_on_engines(self, append=Map.operation)

    def setInitialValue(self) -> None:
        """Begin with an empty list."""
        self.initialValue: list[Any] = []

    def operation(self) -> None:
        """Append the element's result."""
        self.partialResult.append(self.elementResult)
