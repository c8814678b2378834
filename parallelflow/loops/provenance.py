"""From the engines' records to VisTrails' execution log, nested as its own loops write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableSequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vistrails.core.log.loop_exec import LoopIteration

from parallelflow.engine.chunk_result import ChunkResult, Records
from parallelflow.engine.nesting import Nesting
from parallelflow.engine.payload import no_collection
from parallelflow.engine.recorder import Record
from parallelflow.work.worker import Worker

from .log_objects import LogObjects, annotations_of
from .nested_log import NestedLog

__all__ = ["LoopLog"]


@dataclass(frozen=True)
class _Part:
    """What an engine has recorded of a chunk that begins at an index.

    Failed elements have their records with their failures.
    """

    start: int
    records: Records
    failed: dict[int, list[Record]]
    machine: int
    place: list[tuple[str, str]]
    clock_difference: float

    def read(self) -> Iterator[tuple[int, list[Record]]]:
        """Yield elements' indices and records, in the time of the session's clock."""
        for position, records in (self.records.read() | self.failed).items():
            for record in records:
                record.shift(self.clock_difference)
            yield self.start + position, records


class _Iterations(MutableSequence[LoopIteration]):
    """The iterations of a loop's log object; those of engines are made when one is looked at.

    An iteration is about ten objects. Made at once for many elements they stop a window for seconds
    and slow down each search for garbage from then on, and most logs are never read.

    Parameters
    ----------
    written : list of LoopIteration
        Those of elements that ran in this process.
    index : dict of int to LoopIteration
        What VisTrails finds iterations with, by their ids; filled when they are made.
    parts : list of _Part
        What engines have recorded.
    here : set of int
        Elements that ran in this process, whatever an engine has recorded of them.
    objects : LogObjects
        Makes the log's objects.
    nest : callable or None
        Puts the iterations of lists of lists into those of the lists around them.
    """

    def __init__(
        self,
        written: list[LoopIteration],
        index: dict[int, LoopIteration],
        parts: list[_Part],
        here: set[int],
        objects: LogObjects,
        nest: Callable[[list[LoopIteration]], list[LoopIteration]] | None,
    ) -> None:
        self._made = written
        self._index = index
        self._parts = parts
        self._here = here
        self._objects = objects
        self._nest = nest

    @property
    def _all(self) -> list[LoopIteration]:
        if self._parts:
            parts, self._parts = self._parts, []
            with no_collection():
                found: dict[int, list[LoopIteration]] = {}
                for part in parts:
                    for index, records in part.read():
                        if index not in self._here:
                            found[index] = [
                                self._objects.iteration(record, part.machine, part.place)
                                for record in records
                            ]
                for iterations in found.values():
                    self._made += iterations
                    self._index.update((each.id, each) for each in iterations)
                self._made.sort(key=lambda each: each.iteration)
        if self._nest is not None:
            nest, self._nest = self._nest, None
            self._made = nest(self._made)
            self._index.clear()
            self._index.update((each.id, each) for each in self._made)
        return self._made

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[LoopIteration]:
        return iter(self._all)

    def __getitem__(self, place: Any) -> Any:
        return self._all[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        self._all[place] = value

    def __delitem__(self, place: Any) -> None:
        del self._all[place]

    def insert(self, index: int, value: LoopIteration) -> None:
        """Insert an iteration, as a list does."""
        self._all.insert(index, value)

    def __reduce__(self) -> Any:
        return list, (list(self._all),)


class LoopLog:
    """The log of one execution of a loop.

    Parameters
    ----------
    loop : object
        What ``logging.begin_loop_execution`` gave.
    first : int
        The number of the first iteration.
    nesting : Nesting, optional
        The lists around the elements: the log is nested as they are.
    """

    def __init__(self, loop: Any, first: int = 0, nesting: Nesting | None = None) -> None:
        self._loop = loop
        self._first = first
        # VisTrails' dummy controllers stand in for all of these when the log is off.
        self._controller: Any = getattr(loop.log, "controller", None)
        self._parts: list[_Part] = []
        self._objects = LogObjects(self._controller)
        #: Elements that run in this process, whatever an engine has recorded of them.
        self._here: set[int] = set()
        self._nested: NestedLog | None = None
        self._nesting = nesting
        if nesting is not None and self.wanted:
            self._nested = NestedLog(loop.log, nesting)

    @property
    def wanted(self) -> bool:
        """Whether anything is logged at all."""
        return self._controller is not None

    def add(self, start: int, result: ChunkResult, worker: Worker) -> None:
        """Take what an engine has recorded of a chunk; of its failed elements, too.

        Parameters
        ----------
        start : int
            Index of the first element.
        result : ChunkResult
            What has come back: per element a list of records, one per function.
        worker : Worker
            The engine.
        """
        failed = {
            position: failure.detail.records
            for position, failure in result.failures.items()
            if failure.detail.records
        }
        if not self.wanted or not (result.records or failed):
            return
        machine = self._objects.machine(worker)
        place, clock = annotations_of(worker), worker.clock_difference
        self._parts.append(_Part(start, result.records, failed, machine, place, clock))

    def begin_iteration(self, module: Any, index: int) -> None:
        """Note that an element begins to run in this process."""
        self._here.add(index)
        number = index + self._first
        if self._nesting is not None:
            number = self._nesting.path_of(index)[-1]
        self._loop.begin_iteration(module, number)
        if self._nested is not None:
            self._nested.note_last(index)

    def name_iteration(self, module: Any, number: int) -> None:
        """Tell VisTrails which iteration a module is, where it names those that wait for jobs.

        Parameters
        ----------
        module : Module
            A copy that iterates over a list in a list.
        number : int
            The list's.
        """
        if self._controller is not None:
            self._controller.parent_execs[id(module)] = LoopIteration(id=-1, iteration=number)

    def end_iteration(self, module: Any) -> None:
        """Note that an element that ran in this process has ended."""
        self._loop.end_iteration(module)

    def write(self, finished: bool) -> None:
        """Write the iterations in the order of their numbers.

        Parameters
        ----------
        finished : bool
            Whether the whole loop has finished; if not, what has is kept.
        """
        if self._controller is not None and (self._parts or self._nested is not None):
            loop: Any = self._loop.log.loop_exec
            loop.db_loop_iterations = _Iterations(
                loop.db_loop_iterations,
                loop.db_loop_iterations_id_index,
                self._parts,
                self._here,
                self._objects,
                partial(self._nested, finished=finished) if self._nested is not None else None,
            )
        if finished:
            self._loop.end_loop_execution()
