"""IPython clusters for other packages, for scripts and for notebooks.

Import it as ``vistrails.packages.parallelflow.api`` in a VisTrails package that names
Parallel Flow as a dependency, and as ``parallelflow.api`` anywhere else; both are the same
module. It needs neither VisTrails nor Qt.

All functions may be called from any thread. On an engine, and in a program that one has
started, there is no cluster to ask for: `get_client` and the views return None there, and the
others compute in that process.

`ask` says the same everywhere: whether engines may be started where none run. `get_client` and
the views have it by default, since without engines they have nothing to return. What can compute
in this process as well (`parallel_map`, `imap`, `Executor`) starts none unless it is told to.

The file is long for its documentation: each function hands its work to `parallelflow.work`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

# Here, and not where they are needed: the first question is to be answered at once, too.
from parallelflow.engine import module_snapshot
from parallelflow.engine.place import on_engine
from parallelflow.engine_manager.manager import get_manager
from parallelflow.errors import ClusterLost, ParallelFlowError

if TYPE_CHECKING:
    import ipyparallel

    from parallelflow.progress import Snapshot
    from parallelflow.work.executor import EngineExecutor

__all__ = [
    "Executor",
    "cluster",
    "direct_view",
    "get_client",
    "imap",
    "load_balanced_view",
    "parallel_map",
]

T = TypeVar("T")
OnError = Literal["raise", "finish", "return", "continue"]


def get_client(ask: bool = True) -> ipyparallel.Client | None:
    """Return a client of the cluster, from which views can be made.

    Parameters
    ----------
    ask : bool
        What to do where no engine runs. True: in VisTrails' window the user is asked whether
        to start some; elsewhere they are started, as the configuration says. False: nothing
        is asked or started, and the answer comes at once; only an engine that is being started
        in the place of another one is waited for.

    Returns
    -------
    ipyparallel.Client or None
        None if there is no engine, or the user declined.

    Raises
    ------
    parallelflow.errors.ClusterError
        If engines were to be started and could not be; only with `ask`.
    parallelflow.errors.ProfileUnusable, parallelflow.errors.UserMistake
        If the profile's folder cannot be read or written, or there is no launcher of the
        configured name; only with `ask`.

    Examples
    --------
    >>> get_client(ask=False) is None  # nothing runs
    True
    """
    return _find_client(ask)


def client_for_run(ask: bool) -> ipyparallel.Client | None:
    """Return a client as `get_client` does, for a run, which waits for engines itself."""
    return _find_client(ask, for_run=True)


def _find_client(ask: bool, for_run: bool = False) -> ipyparallel.Client | None:
    """Return a client as `get_client` and `client_for_run` do."""
    if on_engine():
        return None

    try:
        return get_manager().ensure_engines(ask=ask, for_run=for_run)
    except ParallelFlowError:
        if ask:
            raise
        return None


def _client_after_loss(ask: bool) -> ipyparallel.Client | None:
    """Return a client for a run whose cluster has gone; in a block of `cluster`, engines start."""
    return get_manager().ensure_engines(ask=ask or bool(_blocks), for_run=True)


def direct_view(ask: bool = True) -> ipyparallel.DirectView | None:
    """Return a view of all engines that run now, to have each of them do the same.

    Parameters
    ----------
    ask : bool
        As `get_client` has it.

    Returns
    -------
    ipyparallel.DirectView or None
        None if there is no engine, or the user declined. Engines that join later are not in
        it.

    Raises
    ------
    parallelflow.errors.ParallelFlowError
        As `get_client`.
    """
    client = get_client(ask)
    return None if client is None else client[:]


def load_balanced_view(ask: bool = True) -> ipyparallel.LoadBalancedView | None:
    """Return a view that gives each task to an engine that is free.

    Parameters
    ----------
    ask : bool
        As `get_client` has it.

    Returns
    -------
    ipyparallel.LoadBalancedView or None
        None if there is no engine, or the user declined. Engines that join later get
        tasks, too.

    Raises
    ------
    parallelflow.errors.ParallelFlowError
        As `get_client`.
    """
    client = get_client(ask)
    return None if client is None else client.load_balanced_view()


@overload
def parallel_map(
    function: Callable[..., T],
    *iterables: Iterable[Any],
    ask: bool = ...,
    ipython: Literal[False] = ...,
    chunk_size: int | None = ...,
    on_error: OnError = ...,
    ordered: bool = ...,
    buffer_size: int | None = ...,
    progress: Callable[[Snapshot], None] | bool | None = ...,
    timeout: float | None = ...,
    element_timeout: float | None = ...,
    retries: int = ...,
    value_for_failed: Any = ...,
    checkpoint: str | None = ...,
) -> list[T]: ...


@overload
def parallel_map(
    function: Callable[..., T],
    *iterables: Iterable[Any],
    ask: bool = ...,
    ipython: Literal[True],
    chunk_size: int | None = ...,
    on_error: OnError = ...,
    ordered: bool = ...,
    buffer_size: int | None = ...,
    progress: Callable[[Snapshot], None] | bool | None = ...,
    timeout: float | None = ...,
    element_timeout: float | None = ...,
    retries: int = ...,
    value_for_failed: Any = ...,
    checkpoint: str | None = ...,
) -> tuple[list[T], bool]: ...


@overload
def parallel_map(
    function: Callable[..., T],
    *iterables: Iterable[Any],
    ask: bool = ...,
    ipython: bool,
    chunk_size: int | None = ...,
    on_error: OnError = ...,
    ordered: bool = ...,
    buffer_size: int | None = ...,
    progress: Callable[[Snapshot], None] | bool | None = ...,
    timeout: float | None = ...,
    element_timeout: float | None = ...,
    retries: int = ...,
    value_for_failed: Any = ...,
    checkpoint: str | None = ...,
) -> list[T] | tuple[list[T], bool]: ...


def parallel_map(
    function: Callable[..., T],
    *iterables: Iterable[Any],
    ask: bool = False,
    ipython: bool = False,
    chunk_size: int | None = None,
    on_error: OnError = "raise",
    ordered: bool = True,
    buffer_size: int | None = None,
    progress: Callable[[Snapshot], None] | bool | None = None,
    timeout: float | None = None,
    element_timeout: float | None = None,
    retries: int = 0,
    value_for_failed: Any = None,
    checkpoint: str | None = None,
) -> list[T] | tuple[list[T], bool]:
    """Return a list of ``function(*items)`` for the iterables' items, like ``map``.

    On the cluster where there is one, otherwise in this process, with the same values and
    the same exceptions. Lambdas, closures and functions of a notebook will do. An engine
    that is lost costs nothing. If the cluster goes away, the rest is computed by new engines
    where `ask` allows to start some, else in this process. Of engines that answer nothing, since
    they work for somebody else or hang, a line tells after 15 s: others are started beside them
    where `ask` allows it, else this process does the work until they answer. Ctrl-C ends what the
    engines do.
    What the function writes to stdout and stderr is written here, in the order of the
    elements. On the thread of VisTrails' window the window stays alive meanwhile.

    Parameters
    ----------
    function : callable
        Called with one item of each iterable.
    *iterables : iterable
        At least one; the shortest one ends it. Generators are read as their items are
        needed, each item being taken as it is at that moment.
    ask : bool
        Whether engines may be started where none run; as `get_client` has it.
    ipython : bool
        Whether to return also whether the cluster was used.
    chunk_size : int, optional
        Elements that travel together, at least 1; by the time they take if not given.
    on_error : str
        ``raise``: the exception of the first failed element in the iterables' order, at once.
        ``finish``: the same, when the others have finished. ``return``: every exception
        stands in its element's place. ``continue``: `value_for_failed` stands there, and what
        has failed is told in one line of the log.
    ordered : bool
        Whether the values stand in the iterables' order, or in that in which they finished.
    buffer_size : int, optional
        At most so many elements are read and not yet finished, at least 1; as many as keep the
        engines busy if not given.
    progress : bool or callable, optional
        True: a progress bar, in a notebook or on standard error. A callable: called with a
        `parallelflow.progress.Snapshot` after each element in this process, every 0.05 s at the
        least on a cluster; an exception that it raises ends the work.
    timeout : float, optional
        Seconds; None waits indefinitely, and 0 or less has passed at once. In this process
        looked at between elements.
    element_timeout : float, optional
        Seconds that one element may take, more than 0. On an engine it is interrupted then, and
        fails; one that does not end by that ends its engine, which is replaced. In this process
        elements are not interrupted.
    retries : int
        How often an element that has raised is tried again, on another engine where there is
        one. The error of the last attempt tells those before.
    value_for_failed : object
        What stands in the place of failed elements with ``on_error="continue"``.
    checkpoint : str, optional
        A name, under which finished values are kept on disk until all have ended well. Called
        again with it, also in another session, only what is missing is computed, if function and
        modules are the same; a line of the log tells it. The iterables' lengths must be known.

    Returns
    -------
    list, or (list, bool) with `ipython`
        As many values as the shortest iterable has items; True if the cluster was used.

    Raises
    ------
    Exception
        What the function raised; its ``__cause__`` is an `ElementError` with the element's
        index, shortened input, engine, host and remote traceback. Where the function raised it
        ``from`` another exception, that is its ``__cause__``, and the `ElementError` that one's.
    parallelflow.errors.ElementError
        If an element failed otherwise: it cannot be sent, it took longer than
        `element_timeout`, it ended the engines that ran it.
    parallelflow.errors.FunctionNotSendable
        If the function uses something that cannot be sent to engines, such as an open file.
    parallelflow.errors.SetupFailed
        If no engine can set the function up, as where a module is missing that it needs.
    parallelflow.errors.ClusterError
        If the cluster could not be started, or was lost by an element that ends engines.
    parallelflow.errors.ProfileUnusable, parallelflow.errors.UserMistake
        As `get_client`.
    TimeoutError
        If it takes longer than `timeout`.
    TypeError, ValueError
        If there is no iterable, an option has no such value, or there are more elements than a
        list in this machine's memory has room for.

    Examples
    --------
    >>> parallel_map(pow, [2, 3, 4], [5, 2, 3])
    [32, 9, 64]
    >>> parallel_map(lambda x: x + 1, range(3), ipython=True)
    ([1, 2, 3], False)
    >>> parallel_map(int, ["1", "one", "2"], on_error="return")
    [1, ValueError("invalid literal for int() with base 10: 'one'"), 2]
    """
    from parallelflow.work import arguments, mapping, progress_bar
    from parallelflow.work.checkpoint import named_checkpoint
    from parallelflow.work.policy import ElementPolicy
    from parallelflow.work.sendable import with_constants

    if not iterables:
        raise TypeError("parallel_map() needs at least one iterable")
    if not isinstance(on_error, str) or on_error not in mapping.POLICIES:
        raise ValueError(f"on_error must be one of {', '.join(mapping.POLICIES)}, not {on_error!r}")
    if isinstance(progress, bool):
        progress = progress_bar.ProgressBar() if progress else None
    arguments.check_callables("parallel_map", function, progress)
    chunk_size = arguments.whole_number("chunk_size", chunk_size)
    buffer_size = arguments.whole_number("buffer_size", buffer_size)
    timeout = arguments.seconds("timeout", timeout)
    policy = ElementPolicy(
        stop_on_error=on_error == mapping.RAISE,
        time_limit=arguments.time_limit(element_timeout),
        retries=arguments.whole_number("retries", retries, least=0) or 0,
    )
    function, iterables = with_constants(function, iterables)
    total = arguments.element_count(iterables)
    elements = arguments.zipped(iterables, total)
    kept = None
    if checkpoint is not None:
        checkpoint = arguments.checkpoint_name(checkpoint, total)
        elements = known = list(elements)
        kept = named_checkpoint(checkpoint, function, known)
    client = client_for_run(ask) if total != 0 else None
    if client is None:
        if total != 0:
            _tell_once_that_it_is_here()
        values = mapping.map_here(
            function,
            elements,
            total=total,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
            retries=policy.retries,
            value_for_failed=value_for_failed,
            checkpoint=kept,
            tick=_keep_window_alive,
        )
        return (values, False) if ipython else values

    manager = get_manager()
    values = mapping.map_on_cluster(
        client,
        function,
        elements,
        chunk_size=chunk_size,
        on_error=on_error,
        policy=policy,
        value_for_failed=value_for_failed,
        ordered=ordered,
        buffer_size=buffer_size,
        progress=progress,
        timeout=timeout,
        pool=manager.engine_pool(ask),
        find_client=lambda: _client_after_loss(ask),
        checkpoint=kept,
        tick=_keep_window_alive,
    )
    return (values, True) if ipython else values


def imap(
    function: Callable[..., T],
    *iterables: Iterable[Any],
    ask: bool = False,
    ordered: bool = True,
    buffer_size: int | None = None,
) -> Iterator[T]:
    """Return an iterator of ``function(*items)`` for the iterables' items, like ``map``.

    As `parallel_map`, but the values come one by one, while the engines go on: for results that
    do not fit into memory together, and for iterables without an end. It begins with the first
    value that is asked for. An iterator that is closed, or not needed any more, ends what the
    engines do for it.

    Parameters
    ----------
    function, *iterables, ask
        As `parallel_map` has them.
    ordered : bool
        Whether the values come in the iterables' order, or in that in which they finish.
    buffer_size : int, optional
        At most so many items are read whose values have not been taken, at least 1; 10 000 if
        not given.

    Yields
    ------
    object
        The values. In this process, where no engine runs, one is computed when it is asked for.

    Raises
    ------
    Exception
        What the function raised for the first element that failed, as `parallel_map` raises it,
        after the values of the elements before it.
    parallelflow.errors.ParallelFlowError, TypeError, ValueError
        As `parallel_map`.

    Examples
    --------
    >>> list(imap(pow, [2, 3, 4], [5, 2, 3]))
    [32, 9, 64]
    >>> import itertools
    >>> values = imap(abs, itertools.count(-2))
    >>> next(values), next(values)
    (2, 1)
    """
    from parallelflow.work import arguments
    from parallelflow.work.sendable import with_constants

    if not iterables:
        raise TypeError("imap() needs at least one iterable")
    arguments.check_callables("imap", function)
    buffer_size = arguments.whole_number("buffer_size", buffer_size)
    function, iterables = with_constants(function, iterables)
    return _iterate(function, zip(*iterables, strict=False), ask, ordered, buffer_size)


def _iterate(
    function: Callable[..., T],
    elements: Iterable[tuple[Any, ...]],
    ask: bool,
    ordered: bool,
    buffer_size: int | None,
) -> Iterator[T]:
    from parallelflow.work import iteration

    client = client_for_run(ask)
    if client is None:
        _tell_once_that_it_is_here()
        yield from iteration.iterate_here(function, elements, _keep_window_alive)
        return
    manager = get_manager()
    yield from iteration.iterate_on_cluster(
        client,
        function,
        elements,
        ordered=ordered,
        buffer_size=buffer_size or iteration.BUFFER_SIZE,
        pool=manager.engine_pool(),
        find_client=lambda: _client_after_loss(ask),
        tick=_keep_window_alive,
    )


def Executor(*, ask: bool = False) -> EngineExecutor:
    """Return a `concurrent.futures.Executor` whose calls run on the engines.

    For libraries that take a pool, and for single calls: ``submit`` returns a
    `concurrent.futures.Future`, with which `concurrent.futures.as_completed` and asyncio work.
    Where no engine runs, calls are evaluated one after the other in a thread of this process.

    Parameters
    ----------
    ask : bool
        Whether engines may be started where none run, at the first call; as `get_client` has it.

    Returns
    -------
    parallelflow.work.executor.EngineExecutor
        To be used in a ``with`` block, or ended by its ``shutdown``.

    Examples
    --------
    >>> with Executor() as executor:
    ...     futures = [executor.submit(pow, 2, n) for n in range(3)]
    ...     [future.result() for future in futures]
    [1, 2, 4]
    """
    from parallelflow.work.executor import EngineExecutor

    return EngineExecutor(lambda: get_client(ask), lambda: get_manager().engine_pool())


@contextlib.contextmanager
def cluster(
    engines: int | None = None, *, profile: str | None = None, launcher: str | None = None
) -> Iterator[ipyparallel.Client | None]:
    """Provide engines for the block, and stop those that were started for it at its end.

    Everything in the block that asks for a cluster gets this one: `parallel_map`, `imap`, an
    `Executor`, the views. If it goes away while it works for `parallel_map` or `imap`, others are
    started.

    Parameters
    ----------
    engines : int, optional
        How many are needed, at least 1; those that run count. One per core if not given.
    profile : str, optional
        The IPython profile; the one in use if not given.
    launcher : str, optional
        What starts them, as ``parallelflow start --launcher`` has it, such as ``slurm``; the
        profile's own if not given.

    Yields
    ------
    ipyparallel.Client or None
        None on an engine, and if the user declined.

    Raises
    ------
    parallelflow.errors.ClusterError
        If engines could not be started.
    parallelflow.errors.ProfileError, parallelflow.errors.UserMistake, ValueError
        If the profile has no valid name or an unusable folder, there is no launcher of that
        name, or `engines` is below 1 or more than a cluster can have.

    Examples
    --------
    .. code-block:: python

        with api.cluster(engines=4):
            values = api.parallel_map(simulate, range(1000))
    """
    if on_engine():
        yield None
        return
    manager = get_manager()
    before = manager.profile, manager.engines_wanted, manager.launcher
    had_started = bool(manager.started())
    if profile is not None and profile != manager.profile and had_started:
        raise ValueError(
            f"this session has started engines in the profile '{manager.profile}'. Stop them "
            f"before you use the profile '{profile}'."
        )
    try:
        manager.configure(profile=profile, engines=engines, launcher=launcher)
        client = manager.ensure_engines()
        with contextlib.ExitStack() as block:
            if client is not None:  # the user has not declined
                _blocks.append(manager.profile)
                block.callback(_blocks.remove, manager.profile)
            yield client
    finally:
        if not had_started:
            manager.stop()
        _, manager.engines_wanted, manager.launcher = before
        if manager.profile != before[0]:
            manager.change_profile(before[0])


# The profiles of the blocks of `cluster` that are under way.
_blocks: list[str] = []
_told_here: set[str] = set()


def _tell_once_that_it_is_here() -> None:
    """Tell, once for a profile, that work is done in this process since no engine runs."""
    if on_engine():
        return
    manager = get_manager()
    if manager.profile not in _told_here:
        _told_here.add(manager.profile)
        manager.interaction.computing_here(manager.profile)


def _keep_window_alive() -> None:
    """Handle the events of VisTrails' window, if this is its thread.

    Raises
    ------
    ClusterLost
        If VisTrails is quitting.
    """
    if on_engine():
        return

    if get_manager().interaction.leaving():
        raise ClusterLost("The work was given up, since this session is being ended.")


# Files may be edited between their import and the first call.
module_snapshot.look()
