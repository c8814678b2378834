"""A function mapped over elements: on a cluster by a `Run`, or in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from parallelflow.engine.main_module import main_facts
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine.remote_failure import RemoteFailure
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import ElementFailure
from parallelflow.progress import Progress, RunState, Snapshot
from parallelflow.system.working_directory import working_directory

from .here import evaluate_here
from .left_out import told_as_left_out
from .output import OutputOrder, Written, write
from .policy import DEFAULT_POLICY, ElementPolicy
from .raising import CONTINUE, FINISH, POLICIES, RAISE, RETURN, exception_of, late, raise_first
from .recovery import drive
from .sendable import function_name, sendable

if TYPE_CHECKING:
    import ipyparallel

    from parallelflow.checkpoints.checkpoint import Checkpoint


__all__ = [
    "CONTINUE",
    "FINISH",
    "POLICIES",
    "RAISE",
    "RETURN",
    "exception_of",
    "map_here",
    "map_on_cluster",
    "write_output",
]

# Whoever watches the progress may have a window to keep alive.
POLL_SECONDS = 0.05

OnProgress = Callable[[Snapshot], None]


def map_on_cluster(
    client: ipyparallel.Client,
    function: Callable[..., Any],
    elements: Iterable[tuple[Any, ...]],
    *,
    chunk_size: int | None = None,
    on_error: str = RAISE,
    policy: ElementPolicy = DEFAULT_POLICY,
    value_for_failed: Any = None,
    ordered: bool = True,
    buffer_size: int | None = None,
    progress: OnProgress | None = None,
    timeout: float | None = None,
    pool: EnginePool | None = None,
    find_client: Callable[[], ipyparallel.Client | None] | None = None,
    checkpoint: Checkpoint | None = None,
    tick: Callable[[], object] | None = None,
) -> list[Any]:
    """Return a function's values for tuples of arguments, computed on a cluster's engines.

    If the cluster goes away, what has not finished goes on with the next one, or here.

    Parameters
    ----------
    client : ipyparallel.Client
        Connection to a controller with at least one engine.
    function : callable
        Called with each tuple's items.
    elements : iterable of tuple
        The arguments.
    chunk_size, on_error, value_for_failed, ordered, buffer_size, progress, timeout
        As `parallelflow.api.parallel_map` has them.
    policy : ElementPolicy
        What becomes of elements that fail or take long.
    pool : EnginePool, optional
        The owner of the engines, as `parallelflow.work.run.Run` has it.
    find_client : callable, optional
        Returns the client of another cluster after the loss of the one there was, None if there
        is none: the rest is computed in this process then. Without it, the loss is raised.
    checkpoint : Checkpoint, optional
        Where values are kept until the work ends well.
    tick : callable, optional
        Called every `POLL_SECONDS` at the least; an exception that it raises ends the work.

    Returns
    -------
    list
        As many values as elements: in their order, or as they finished.

    Raises
    ------
    Exception
        What the function raised, with an `ElementError` as its cause.
    ElementError
        If that cannot travel, or the element has failed otherwise.
    ClusterLost
        If the cluster or its last engine has gone.
    TimeoutError
        If it takes longer than `timeout` seconds; what runs is interrupted.
    WorkingDirectoryGone
        If this process has no working directory, which is that of the elements, too.
    """
    from .run import Run

    working_directory()  # elements work there
    finished: list[int] = []
    output = OutputOrder(write_output)

    def take(start: int, result: ChunkResult, _: object) -> None:
        if on_error != RAISE and any(map(_is_own_interrupt, result.failures.values())):
            raise KeyboardInterrupt  # as in this process, where it ends everything
        finished.extend(range(start, start + result.count))
        if checkpoint is not None:
            checkpoint.add(start, result.values, result.failures, result.seconds)
        output.add(start, result.count, result.outputs)

    known = checkpoint.take() if checkpoint is not None else {}
    finished.extend(known)
    for index in known:
        output.add(index, 1, {})
    run = Run(
        client,
        plain_function,
        (sendable(function), True, main_facts()),
        elements,
        function_name(function),
        chunk_size=chunk_size,
        policy=policy,
        on_chunk=take,
        on_output=output.add_early,
        pool=pool,
        ahead=buffer_size,
        finished=known,
    )
    deadline = None if timeout is None else time.monotonic() + timeout

    def look() -> None:
        if checkpoint is not None:
            checkpoint.tick()
        if tick is not None:
            tick()
        if progress is not None:
            progress(run.progress.snapshot())
        if deadline is not None and time.monotonic() > deadline and not run.is_finished:
            raise late(run.progress, timeout, run.silent, run.workers.sent())

    own: dict[int, BaseException] = {}

    def evaluate(elements: Iterable[tuple[int, Any]]) -> None:
        for index, element in elements:
            if policy.stop_on_error and run.failures and index > min(run.failures):
                continue
            value, failure, exception = evaluate_here(
                function, index, run.progress.total, element, policy.retries
            )
            if exception is not None:
                own[index] = exception
            else:
                finished.append(index)
                if checkpoint is not None:
                    checkpoint.add(index, [value])
            output.add(index, 1, {})
            run.keep_here(index, value, failure)
            look()

    def look_and_help() -> None:
        look()
        evaluate(run.take_unanswered())

    try:
        if timeout is not None and timeout <= 0:
            look()  # fast elements are not to have their values by chance
        if not drive(run, lambda: run.poll(POLL_SECONDS), look_and_help, find_client):
            output.flush()
            evaluate(run.take_rest())
            run.finish_here()
    except BaseException:
        stuck = run.cancel()
        for engine in stuck:
            if pool is not None:
                pool.replace(engine)
        raise
    finally:
        output.flush()
        if checkpoint is not None:
            checkpoint.close(finished=run.progress.state is RunState.DONE)
    if run.feed_error is not None and (on_error != RAISE or not run.failures):
        raise run.feed_error
    exceptions: dict[int, Any] = {
        index: own[index] if index in own else exception_of(failure)
        for index, failure in run.failures.items()
    }
    raise_first(exceptions, run.failures, on_error)
    if on_error == CONTINUE:
        exceptions = dict.fromkeys(exceptions, value_for_failed)
        told_as_left_out(run.progress, run.failures, value_for_failed)
    for index, exception in exceptions.items():
        run.values[index] = exception
    if ordered:
        return run.values
    # What failed on the way, not on an engine, comes last.
    finished += sorted(set(run.failures) - set(finished))
    return [run.values[index] for index in dict.fromkeys(finished)]


def map_here(
    function: Callable[..., Any],
    elements: Iterable[tuple[Any, ...]],
    *,
    total: int | None = None,
    on_error: str = RAISE,
    progress: OnProgress | None = None,
    timeout: float | None = None,
    retries: int = 0,
    value_for_failed: Any = None,
    checkpoint: Checkpoint | None = None,
    tick: Callable[[], object] | None = None,
) -> list[Any]:
    """Return a function's values for tuples of arguments, computed in this process.

    Parameters
    ----------
    function, elements, on_error, progress, timeout, value_for_failed, checkpoint
        As `map_on_cluster` has them; the time is looked at between elements.
    retries : int
        How often an element that has raised is tried again.
    total : int, optional
        Number of elements, if it is known.
    tick : callable, optional
        Called between elements, not more often than every `POLL_SECONDS`; an exception that it
        raises ends the work.

    Returns
    -------
    list
        As many values as elements, in their order.

    Raises
    ------
    Exception, ElementError, TimeoutError
        As `map_on_cluster`.
    """
    model = Progress(function_name(function), total or 0)
    known = checkpoint.take() if checkpoint is not None else {}
    model.enter(RunState.RUNNING)
    begin = ticked = time.monotonic()
    values: list[Any] = []
    failures: dict[int, ElementFailure] = {}
    exceptions: dict[int, BaseException] = {}
    try:
        for index, element in enumerate(elements):
            if timeout is not None and time.monotonic() - begin > timeout:
                raise late(model, timeout)
            if total is None:
                model.total = index + 1
            started = time.perf_counter()
            try:
                value, failure, exception = (
                    (known[index], None, None)
                    if index in known
                    else evaluate_here(function, index, model.total, element, retries)
                )
            finally:
                model.element_seconds += time.perf_counter() - started
            instead = value_for_failed if on_error == CONTINUE else exception
            values.append(value if exception is None else instead)
            if failure is None or exception is None:
                model.done += 1
                if checkpoint is not None:
                    checkpoint.add(index, [value])
                    checkpoint.tick()
            else:
                failures[index], exceptions[index] = failure, exception
                model.failed += 1
                if on_error == RAISE:
                    break
            model.announce()
            if tick is not None and time.monotonic() - ticked > POLL_SECONDS:
                tick()
                ticked = time.monotonic()
            if progress is not None:
                progress(model.snapshot())
    except BaseException:
        model.enter(RunState.CANCELLED)
        if checkpoint is not None:
            checkpoint.close(finished=False)
        raise
    if checkpoint is not None:
        checkpoint.close(finished=not failures)
    model.enter(RunState.FAILED if failures else RunState.DONE)
    if progress is not None:
        progress(model.snapshot())
    raise_first(exceptions, failures, on_error)
    if on_error == CONTINUE:
        told_as_left_out(model, failures, value_for_failed)
    return values


def write_output(index: int, written: Written) -> None:
    """Write what an element wrote, as it would have been written here."""
    for stream, text in written:
        write(sys.stderr if stream == "stderr" else sys.stdout, text)


def _is_own_interrupt(failure: RemoteFailure) -> bool:
    """Return True if the function has raised KeyboardInterrupt, and nobody has interrupted it."""
    return failure.error_type == "KeyboardInterrupt" and failure.exception is not None
