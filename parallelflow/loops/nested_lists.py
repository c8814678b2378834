"""Lists of lists that iterate by themselves, as the elements of the innermost lists.

VisTrails iterates over the lists in a list one after the other. Here all elements go to engines
together, so that one long list in a list of few keeps all engines busy. What VisTrails would do
for each list is found with its own methods, on the copies of the module that it would make.
"""

from __future__ import annotations

import copy
import json
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from vistrails.core.modules.vistrails_module import ModuleSuspended

from parallelflow.engine.nesting import Lengths, Nesting
from parallelflow.engine.spec import NOT_SENT
from parallelflow.engine.vistrails_caching import without_import_hook

from .checks import check_elements
from .provenance import LoopLog

__all__ = ["STAYS", "Level", "NestedLists", "by_port", "combined", "copy_for_element", "nested"]

ORDERS = ("pairwise", "cartesian")

#: On a copy that is evaluated here: the lists below it are, too.
STAYS = "_parallelflow_stays"

#: Lists of more elements are not taken apart: each element is an object of this process, where
#: VisTrails has only those of one list at a time.
MOST_ELEMENTS = 1_000_000


@dataclass(frozen=True)
class Level:
    """What a module iterates over.

    Attributes
    ----------
    elements : list of tuple
        Each with a part for each port.
    ports : list of str
        The ports.
    """

    elements: list[tuple[Any, ...]]
    ports: list[str]

    @property
    def loop_elements(self) -> list[Any]:
        """The elements; of a single port the parts themselves."""
        alone = len(self.ports) == 1
        return [part for (part,) in self.elements] if alone else self.elements


def combined(module: Any) -> Level:
    """Return what a module iterates over at its list depth, as ``compute_all`` combines it.

    Parameters
    ----------
    module : Module
        The module, whose ``iterated_ports`` are set.
    """
    order = module.get_combine_type("cartesian")
    inputs, ports = {}, []
    for port, depth, _ in module.iterated_ports:
        if depth == module.list_depth:  # the others are iterated over on a lower level
            inputs[port] = module.get_input(port)
            ports.append(port)
    if order not in ORDERS:
        order, *ports = json.loads(order)
    return Level(*module.do_combine(order, inputs, ports))


def copy_for_element(module: Any, ports: list[str], parts: Sequence[Any], number: int) -> Any:
    """Return the copy of a module that VisTrails evaluates for an element; it stays here.

    Parameters
    ----------
    module : Module
        The module that iterates.
    ports : list of str
        The ports that it iterates over.
    parts : sequence
        What they get.
    number : int
        The element's index in the list.
    """
    made = copy.copy(module)
    setattr(made, STAYS, True)
    made.list_depth = module.list_depth - 1
    made.had_error = made.was_suspended = False
    made.upToDate = made.computed = False
    module.setInputValues(made, ports, parts, number)
    return made


class _NotKnown(Exception):
    """The elements of the innermost lists cannot be known beforehand."""


class NestedLists:
    """The elements of the innermost of lists of lists, in VisTrails' order.

    Parameters
    ----------
    module : Module
        The module that iterates, to a depth of two or more.
    outermost : Level
        What it iterates over at that depth.

    Attributes
    ----------
    loop_elements : list
        Each with a part for each port; of a single port the parts themselves.
    ports : list of str
        The ports that are iterated over on the innermost level, among them all of the levels above.
    nesting : Nesting
        The lists around the elements.
    """

    def __init__(self, module: Any, outermost: Level) -> None:
        self._module = module
        self._outermost = outermost
        self._ports: dict[int, list[str]] = {}
        self._last: tuple[tuple[int, ...], Any] = ((), module)
        self.loop_elements: list[Any] = []
        lengths = self._take_apart(module, outermost)
        depths = sorted(self._ports, reverse=True)
        self.ports = self._ports[depths[-1]]
        check_elements(module, module, self.ports, self.loop_elements)
        self.nesting = Nesting(lengths, tuple(self._ports[depth][-1] for depth in depths[:-1]))

    @classmethod
    def of(cls, module: Any, outermost: Level) -> NestedLists | None:
        """Return the lists of a module, None if only VisTrails can tell what is in them.

        So it is with streams, with lists that VisTrails refuses (it evaluates the elements before
        them), and with very many elements.

        Parameters
        ----------
        module : Module
            The module that iterates.
        outermost : Level
            What it iterates over at its list depth.
        """
        if module.list_depth < 2 or module.annotate_output:
            return None
        try:
            with without_import_hook():  # VisTrails imports within what is called for each list
                return cls(module, outermost)
        except Exception:  # of any kind: taking a list apart runs its own code
            return None

    def _take_apart(self, module: Any, level: Level) -> Lengths:
        depth = module.list_depth
        above = self._ports.get(depth + 1, [])
        if not level.ports or self._ports.setdefault(depth, level.ports) != level.ports:
            raise _NotKnown
        if not set(above) <= set(level.ports):
            raise _NotKnown
        if depth == 1:
            self.loop_elements += level.loop_elements
            if len(self.loop_elements) > MOST_ELEMENTS:
                raise _NotKnown
            return len(level.elements)
        lengths: list[Lengths] = []
        for number, parts in enumerate(level.elements):
            inner = copy_for_element(module, level.ports, parts, number)
            lengths.append(self._take_apart(inner, _inner_level(inner)))
        return tuple(lengths)

    def module_of(self, path: tuple[int, ...]) -> Any:
        """Return the copy of the module that VisTrails iterates with over one of the lists.

        Parameters
        ----------
        path : tuple of int
            Where the list is; empty for the outermost.
        """
        if self._last[0] != path:
            module, level = self._module, self._outermost
            for place, number in enumerate(path):
                module = copy_for_element(module, level.ports, level.elements[number], number)
                if place + 1 < len(path):
                    level = _inner_level(module)
            self._last = (path, module)
        return self._last[1]

    def suspended(self, log: LoopLog, found: dict[int, ModuleSuspended]) -> ModuleSuspended:
        """Return what VisTrails raises if elements wait: one for each list around them.

        Parameters
        ----------
        log : LoopLog
            The loop's.
        found : dict of int to ModuleSuspended
            By the elements' indices, ascending.
        """
        waiting = {self.nesting.path_of(index): error for index, error in found.items()}
        return self._suspended(log, (), self.nesting.lengths, waiting)

    def _suspended(
        self,
        log: LoopLog,
        path: tuple[int, ...],
        lengths: Lengths,
        waiting: dict[tuple[int, ...], ModuleSuspended],
    ) -> ModuleSuspended:
        module = self.module_of(path)
        children: list[ModuleSuspended] = []
        for number in sorted({each[len(path)] for each in waiting if each[: len(path)] == path}):
            inner = (*path, number)
            if isinstance(lengths, int):
                children.append(waiting[inner])
                continue
            error = self._suspended(log, inner, lengths[number], waiting)
            error.loop_iteration = number
            log.name_iteration(error.module, number)
            module.logging.end_update(error.module, error, was_suspended=True)
            children.append(error)
        total = lengths if isinstance(lengths, int) else len(lengths)
        text = f"function module suspended in {len(children)}/{total} iterations"
        return ModuleSuspended(module, text, children=children)


def _inner_level(module: Any) -> Level:
    """Return what a copy of a module for an element iterates over in it."""
    module.set_iterated_ports()
    module.set_streamed_ports()
    if module.streamed_ports:
        raise _NotKnown
    return combined(module)


def nested(module: Any, lengths: Lengths, values: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the values of a list's elements by port; where those are lists, lists of values.

    Parameters
    ----------
    module : Module
        The module that iterates.
    lengths : Lengths
        Of the list.
    values : iterator
        Yields the values of the innermost lists' elements, by port.
    """
    if isinstance(lengths, int):
        return [next(values) for _ in range(lengths)]
    before = {port: value for port, value in module.outputPorts.items() if port != "self"}
    return [before | by_port(nested(module, inner, values)) for inner in lengths]


def by_port(values: list[dict[str, Any]]) -> dict[str, Any]:
    """Return for each output port the list of what it gave; `NOT_SENT` if a part is missing.

    Parameters
    ----------
    values : list of dict
        By port, for each element.
    """
    outputs: dict[str, Any] = {}
    for port in dict.fromkeys(chain.from_iterable(values)):
        parts = [value[port] for value in values if port in value]
        outputs[port] = NOT_SENT if any(map(operator.is_, parts, repeat(NOT_SENT))) else parts
    return outputs
