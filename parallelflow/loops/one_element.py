"""One element of a loop's list in this process, for a look at it: without engines or the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from vistrails.core.modules.vistrails_module import ModuleError
from vistrails.packages.controlflow.fold import FoldWithModule

from .patches import replaced_method

__all__ = ["only_element"]


@contextlib.contextmanager
def only_element(module: int, index: int, look: Callable[[Any, Any], object]) -> Iterator[None]:
    """Evaluate one element of a loop within the block, serially.

    Parameters
    ----------
    module : int
        The id of the loop's module, a FoldWithModule, in the workflow. It must be evaluated
        serially: as on an engine, or because it is VisTrails' own.
    index : int
        The element's index, from 0.
    look : callable
        Called with the element and what the function has given for it.
    """
    serial = FoldWithModule.updateFunctionPort

    def update_function_port(self: Any) -> None:
        if self.moduleInfo.get("moduleId") != module:
            serial(self)
            return
        elements = self.get_input("InputList")
        if index >= len(elements):
            raise ModuleError(
                self,
                f"There is no element {index}: the list has {len(elements)} elements, the first "
                "is 0.",
            )
        get_input = self.get_input

        def get_one(port: str, *arguments: Any, **options: Any) -> Any:
            if port == "InputList":
                return [elements[index]]
            return get_input(port, *arguments, **options)

        self.get_input = get_one
        try:
            serial(self)
        finally:
            del self.get_input
        look(elements[index], self.elementResult)

    with replaced_method(FoldWithModule, "updateFunctionPort", update_function_port):
        yield
