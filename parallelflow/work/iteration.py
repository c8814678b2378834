"""The values of a function one after the other, while engines go on with the next elements."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from parallelflow.engine.main_module import main_facts
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.system.working_directory import working_directory

from .here import evaluate_here
from .mapping import POLL_SECONDS, exception_of, write_output
from .open_sources import BoundedSource
from .output import OutputOrder
from .recovery import Driver
from .run import Run
from .sendable import function_name, sendable

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["BUFFER_SIZE", "iterate_here", "iterate_on_cluster"]

BUFFER_SIZE = 10_000
"""How many elements are read ahead of the consumer: enough for engines, little for memory."""


def iterate_here(
    function: Callable[..., Any],
    elements: Iterable[tuple[Any, ...]],
    tick: Callable[[], object],
) -> Iterator[Any]:
    """Yield a function's values for tuples of arguments, computed in this process.

    Parameters
    ----------
    function, elements
        As `iterate_on_cluster` has them.
    tick : callable
        Called before each element.

    Raises
    ------
    Exception
        As `iterate_on_cluster`.
    """
    for index, element in enumerate(elements):
        tick()
        value, _, exception = evaluate_here(function, index, index + 1, element)
        if exception is not None:
            raise exception
        yield value


def iterate_on_cluster(
    client: ipyparallel.Client,
    function: Callable[..., Any],
    elements: Iterable[tuple[Any, ...]],
    *,
    ordered: bool,
    buffer_size: int,
    pool: EnginePool,
    find_client: Callable[[], ipyparallel.Client | None],
    tick: Callable[[], object],
) -> Iterator[Any]:
    """Yield a function's values for tuples of arguments, computed on a cluster's engines.

    What happens on the cluster is looked at whenever the next value is asked for: engines have
    some elements ahead, and wait when the consumer has not taken `buffer_size` values.

    Parameters
    ----------
    client, function, elements, pool, find_client, tick
        As `parallelflow.work.mapping.map_on_cluster` has them.
    ordered : bool
        Whether the values come in the elements' order, or in that in which they finish.
    buffer_size : int
        At most so many elements are read whose values have not been taken.

    Raises
    ------
    Exception
        What the function raised for the first element that failed, after the values before it;
        what reading the elements has raised.
    ElementError, ClusterLost
        As `map_on_cluster`.
    """
    working_directory()  # elements work there
    iteration = _Iteration(ordered)
    source = BoundedSource(elements, buffer_size)
    output = OutputOrder(write_output)

    def take(start: int, result: ChunkResult, _: object) -> None:
        output.add(start, result.count, result.outputs)
        iteration.add(
            start + position for position in range(result.count) if position not in result.failures
        )

    run = Run(
        client,
        plain_function,
        (sendable(function), True, main_facts()),
        source,
        function_name(function),
        on_chunk=take,
        on_output=output.add_early,
        pool=pool,
    )
    driver = Driver(run, lambda: run.poll(iteration.patience), find_client)

    def values() -> Iterator[Any]:
        while (index := iteration.next()) is not None:
            value, run.values[index] = run.values[index], None
            source.consumed += 1
            yield value

    try:
        while not run.is_finished:
            if not driver.step():
                output.flush()
                yield from values()
                yield from _values_here(run, run.take_rest(), function, iteration, values, tick)
                run.finish_here()
                break
            tick()
            yield from values()
            unanswered = run.take_unanswered()
            yield from _values_here(run, unanswered, function, iteration, values, tick)
        yield from values()
    finally:
        for engine in run.cancel():  # those that cannot be interrupted
            pool.replace(engine)
        output.flush()
    if run.failures:
        raise exception_of(run.failures[min(run.failures)])
    if run.feed_error is not None:
        raise run.feed_error


def _values_here(
    run: Run,
    elements: Iterable[tuple[int, Any]],
    function: Callable[..., Any],
    iteration: _Iteration,
    values: Callable[[], Iterator[Any]],
    tick: Callable[[], object],
) -> Iterator[Any]:
    """Yield the values that are due, while elements of a run are evaluated in this process."""
    for index, element in elements:
        if run.failures and index > min(run.failures):
            continue
        tick()
        value, _, exception = evaluate_here(function, index, index + 1, element)
        if exception is not None:
            raise exception
        run.keep_here(index, value)
        iteration.add([index])
        yield from values()


class _Iteration:
    """Which value comes next.

    Parameters
    ----------
    ordered : bool
        As `iterate_on_cluster` has it.
    """

    def __init__(self, ordered: bool) -> None:
        self._ordered = ordered
        self._position = 0
        self._arrived: deque[int] = deque()
        self._early: set[int] = set()

    @property
    def patience(self) -> float:
        """How long to wait for answers, seconds: not at all while there are values to yield."""
        return 0.0 if self._arrived else POLL_SECONDS

    def add(self, indices: Iterable[int]) -> None:
        """Add elements whose values are there."""
        if not self._ordered:
            self._arrived.extend(indices)
            return
        self._early.update(indices)
        while self._position in self._early:
            self._early.remove(self._position)
            self._arrived.append(self._position)
            self._position += 1

    def next(self) -> int | None:
        """Return the index of the next value to yield, None if it is not there yet."""
        return self._arrived.popleft() if self._arrived else None
