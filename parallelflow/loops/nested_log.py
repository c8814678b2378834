"""The log of lists of lists: the iterations of elements, in those of the lists around them."""

from __future__ import annotations

from typing import Any

from vistrails.core.log.group_exec import GroupExec
from vistrails.core.log.loop_exec import LoopExec, LoopIteration
from vistrails.core.log.module_exec import ModuleExec

from parallelflow.engine.nesting import Lengths, Nesting, size

__all__ = ["NestedLog"]

SUSPENDED = -2


class NestedLog:
    """Makes of the elements' iterations what VisTrails' loops within loops would have written.

    Parameters
    ----------
    log : LogLoopController
        VisTrails' log of the outermost loop.
    nesting : Nesting
        The lists around the elements.
    """

    def __init__(self, log: Any, nesting: Nesting) -> None:
        self._controller = log.controller
        self._loop_exec = log.loop_exec
        self._nesting = nesting
        # The copies of the module that iterate over the inner lists have executions as its own.
        self._own = log.controller.module_execs[id(log.loop_module)]
        self._indices: dict[int, int] = {}

    def note_last(self, index: int) -> None:
        """Note of which element the iteration is that VisTrails has begun in this process."""
        self._indices[self._loop_exec.db_loop_iterations[-1].id] = index

    def __call__(self, found: list[LoopIteration], finished: bool) -> list[LoopIteration]:
        """Return the iterations of the outermost loop.

        Parameters
        ----------
        found : list of LoopIteration
            The elements'; those of engines have the elements' indices as their numbers.
        finished : bool
            Whether the whole loop has finished.
        """
        by_index: dict[int, LoopIteration] = {}
        for each in found:
            index = self._indices.get(each.id, each.iteration)
            each.iteration = self._nesting.path_of(index)[-1]
            by_index[index] = each
        # Where elements wait, the others have been evaluated.
        finished = finished or any(_waits(each) for each in found)
        return self._iterations(self._nesting.lengths, 0, by_index, finished)

    def _iterations(
        self, lengths: Lengths, start: int, found: dict[int, LoopIteration], finished: bool
    ) -> list[LoopIteration]:
        """Return the iterations over a list whose elements begin at an index."""
        if isinstance(lengths, int):
            return [found[index] for index in range(start, start + lengths) if index in found]
        made = []
        for number, inner in enumerate(lengths):
            inside = self._iterations(inner, start, found, finished)
            start += size(inner)
            if inside or finished:
                made.append(self._iteration(number, inner, inside, finished))
        return made

    def _iteration(
        self, number: int, lengths: Lengths, inside: list[LoopIteration], finished: bool
    ) -> LoopIteration:
        """Return the iteration that a list is, with those over it."""
        total = lengths if isinstance(lengths, int) else len(lengths)
        waiting = sum(map(_waits, inside))
        done = finished or (len(inside) == total and all(each.completed for each in inside))
        begin = min((each.ts_start for each in inside), default=self._loop_exec.ts_start)
        ends = [each.ts_end for each in inside if each.ts_end is not None]
        times = {"ts_start": begin, "ts_end": max(ends, default=begin) if done else None}
        own, text = self._own, f"function module suspended in {waiting}/{total} iterations"
        common = {
            "machine_id": own.machine_id,
            "module_id": own.module_id,
            "cached": 0,
            "completed": SUSPENDED if waiting else int(done),
            "error": text if waiting else None,
            **times,
        }
        loop = LoopExec(id=self._new_id(LoopExec), **times)
        for each in inside:
            loop.add_loop_iteration(each)
        item: Any
        if isinstance(own, GroupExec):
            names = {"group_name": own.group_name, "group_type": own.group_type}
            item = GroupExec(id=self._new_id(GroupExec), **names, **common)
            item.add_item_exec(loop)
        else:
            name = own.module_name
            item = ModuleExec(id=self._new_id(ModuleExec), module_name=name, **common)
            item.add_loop_exec(loop)
        completed = 1 if done else None  # as VisTrails leaves it
        made = LoopIteration(
            id=self._new_id(LoopIteration), iteration=number, completed=completed, **times
        )
        made.add_item_exec(item)
        return made

    def _new_id(self, kind: Any) -> int:
        return int(self._controller.log.id_scope.getNewId(kind.vtType))


def _waits(iteration: LoopIteration) -> bool:
    """Return True if what ran in an iteration waits for a job."""
    return any(item.completed == SUSPENDED for item in iteration.item_execs)
