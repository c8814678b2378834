"""Modules of a workflow that run beside others, on an engine: each is set up and executed once."""

from __future__ import annotations

from typing import Any

from .function import VistrailsFunction
from .remote_failure import RemoteFailureError

__all__ = ["BranchFunction", "BranchValue", "prepare_branches"]

BranchValue = tuple[dict[str, Any], bool]
"""A module's outputs by port, and whether VisTrails may keep them for the next execution."""


def prepare_branches() -> BranchFunction:
    """Return the function that executes modules; the chunk runner calls it."""
    return BranchFunction()


class BranchFunction:
    """Executes a module that it is told all about."""

    def __call__(self, index: int, call: tuple[tuple[Any, ...], dict[str, Any]]) -> tuple[Any, Any]:
        """Return the outputs of a module, and the record of its execution.

        Parameters
        ----------
        index : int
            Which of the session's modules it is.
        call : tuple
            Its arguments: a `PackagePreloader`, which was unpickled first, and a `FunctionSpec`;
            no keywords.

        Raises
        ------
        RemoteFailureError
            If the module fails, with the text that VisTrails would show, or cannot be set up.
        """
        (_, spec), _ = call
        try:
            function = _Once(spec)
        except RemoteFailureError as e:
            e.failure.stage = "input"  # it is one element of a run that goes on
            raise
        try:
            with function.during_chunk():
                return function(0, None)
        finally:
            function.close()


class _Once(VistrailsFunction):
    """A module that is executed once."""

    def value_of(self, module: Any) -> BranchValue:
        """Return the module's outputs, and whether they may be kept."""
        return super().value_of(module), bool(module.is_cacheable())
