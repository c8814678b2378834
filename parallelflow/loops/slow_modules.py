"""Modules that were slow when they were last executed, as VisTrails' log of the vistrail has it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from .reached import reached

__all__ = ["SLOW_SECONDS", "last_seconds", "slow_modules"]

SLOW_SECONDS = 1.0
"""From here a module is worth an engine: several times what a branch costs by itself. The log does
not tell how large values are, but 200 MB go to an engine of this machine in a tenth of it."""

_DONE = 1

# By controller: the name of the file with the saved log, and what it tells.
_saved: WeakKeyDictionary[Any, tuple[Any, dict[int, Any]]] = WeakKeyDictionary()


def slow_modules(pipeline: Any, controller: Any, wanted: Collection[int]) -> set[int]:
    """Return the modules that are worth an engine: slow ones that can run beside another.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow.
    controller : VistrailController
        The controller of its vistrail.
    wanted : collection of int
        Modules that run on engines in any case; the others can run beside them, too.
    """
    seconds = last_seconds(controller)
    slow = {m.id for m in pipeline.module_list if seconds.get(m.id, 0.0) >= SLOW_SECONDS}
    slow -= set(wanted)
    upstream = pipeline.graph.edges_to
    before = {number: reached(upstream, {number}) for number in slow | set(wanted)}
    return {
        one
        for one in slow
        if any(other != one and other not in before[one] and one not in before[other]
               for other in before)
    }  # fmt: skip


def last_seconds(controller: Any) -> dict[int, float]:
    """Return how long modules took when they were last executed to the end, by their ids.

    An id is a module's own in all versions of a vistrail; that its parameters were others then
    does not matter. What was taken from the cache says nothing.

    Parameters
    ----------
    controller : VistrailController
        The controller of a vistrail: with its saved log, and that of the session.
    """
    latest = dict(_saved_executions(controller))
    for number, execution in _executions(controller.log):
        latest[number] = _later(latest.get(number), execution)
    return {
        number: (execution.ts_end - execution.ts_start).total_seconds()
        for number, execution in latest.items()
    }


def _saved_executions(controller: Any) -> dict[int, Any]:
    name = controller.vistrail.db_log_filename
    known = _saved.get(controller)
    if known is None or known[0] != name:
        found: dict[int, Any] = {}
        try:
            log = controller.read_log()
        except Exception:  # damaged, or of a data base that is not there: nothing is known then
            log = None
        for number, execution in _executions(log):
            found[number] = _later(found.get(number), execution)
        known = _saved[controller] = name, found
    return known[1]


def _executions(log: Any) -> Iterator[tuple[int, Any]]:
    """Yield ids of modules and Groups of workflows, each with an execution that ended well."""
    runs = log.workflow_execs if log is not None else ()
    for item in itertools.chain.from_iterable(run.item_execs for run in runs):
        number = getattr(item, "module_id", None)
        if number is None or item.completed != _DONE or item.cached:
            continue
        if item.ts_start is not None and item.ts_end is not None:
            yield int(number), item


def _later(one: Any, other: Any) -> Any:
    return other if one is None or other.ts_start >= one.ts_start else one
