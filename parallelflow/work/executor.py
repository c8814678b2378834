"""Single calls on engines, as `concurrent.futures` has them."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from parallelflow.engine.main_module import main_facts
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import ParallelFlowError

from .mapping import exception_of, write_output
from .open_sources import Call, CallSource
from .policy import ElementPolicy
from .recovery import Driver
from .run import Run
from .sendable import function_name, sendable

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["EngineExecutor"]

# How often answers are looked for while calls are under way.
POLL_SECONDS = 0.01
# A function stays set up on the engines for so long after its last call has finished.
IDLE_SECONDS = 5.0
# How often a thread without work looks whether the program is ending.
LOOK_SECONDS = 0.5

FindClient = Callable[[], "ipyparallel.Client | None"]


class EngineExecutor(Executor):
    """Evaluates calls on a cluster's engines, and in one thread here where there is none.

    Each function is sent to the engines once and stays there while it is called. Calls of one
    function travel together, as many as take about half a second.

    Parameters
    ----------
    find_client : callable
        Returns the client of a cluster with engines, None if there is none; called in the thread
        that submits, and again after the loss of the cluster.
    find_pool : callable
        Returns the owner of its engines.
    """

    def __init__(self, find_client: FindClient, find_pool: Callable[[], EnginePool]) -> None:
        self._find_client = find_client
        self._calls = _Calls(find_client, find_pool)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        # One that is dropped without a shutdown finishes its calls.
        self._dropped = weakref.finalize(self, self._calls.close)
        self._dropped.atexit = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call; return its future.

        Raises
        ------
        RuntimeError
            After `shutdown`.
        ClusterError
            If engines were to be started and could not be.
        """
        if not callable(fn):
            raise TypeError(f"{fn!r} is no function")
        with self._lock:
            if self._calls.closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            call = Call(args, kwargs)
            if self._thread is None:
                self._calls.start_with(self._find_client())
            self._calls.submit(fn, call)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._calls.work, name="parallelflow-executor"
                )
                self._thread.start()
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; those submitted are finished.

        Parameters
        ----------
        wait : bool
            Whether to return after the last one has finished.
        cancel_futures : bool
            Whether calls that have not begun are cancelled.
        """
        with self._lock:
            self._calls.close(cancel_futures)
            thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()


class _Calls:
    """The calls of an executor and the runs that they are elements of.

    Apart from the executor, so that its thread does not keep that alive.
    """

    def __init__(self, find_client: FindClient, find_pool: Callable[[], EnginePool]) -> None:
        self._find_client = find_client
        self._find_pool = find_pool
        self._first_client: list[ipyparallel.Client | None] = []
        self.closed = False
        self._changed = threading.Condition()
        self._new: list[tuple[Callable[..., Any], Call]] = []
        self._functions: list[_FunctionCalls] = []

    def start_with(self, client: ipyparallel.Client | None) -> None:
        """Use a client for the first function, None for no cluster."""
        self._first_client = [client]

    def submit(self, function: Callable[..., Any], call: Call) -> None:
        """Add a call."""
        with self._changed:
            self._new.append((function, call))
            self._changed.notify()

    def close(self, cancel: bool = False) -> None:
        """Take no more calls; cancel those that wait if asked to."""
        with self._changed:
            self.closed = True
            if cancel:
                for _, call in self._new:
                    call.future.cancel()
                for function in self._functions:
                    function.source.cancel_waiting()
            self._changed.notify()

    def work(self) -> None:
        """Evaluate calls until there are no more; the executor's thread."""
        while self._take_new():
            for function in list(self._functions):
                if not function.advance(POLL_SECONDS / len(self._functions)):
                    self._functions.remove(function)

    def _take_new(self) -> bool:
        """Give new calls to their functions, waiting for some; return False after the last one."""
        with self._changed:
            while not self._new and not self._functions:
                if self.closed or not threading.main_thread().is_alive():
                    return False
                self._changed.wait(LOOK_SECONDS)
            new, self._new = self._new, []
        for function, call in new:
            try:
                self._calls_of(function).source.submit(call)
            except ParallelFlowError as e:  # there is no cluster any more, and none comes
                if call.future.set_running_or_notify_cancel():
                    call.future.set_exception(e)
        if self.closed or not threading.main_thread().is_alive():
            for each in self._functions:
                each.end_when_idle()
        return True

    def _calls_of(self, function: Callable[..., Any]) -> _FunctionCalls:
        for each in self._functions:
            if each.function is function and each.is_open:
                return each
        # The cluster may have been stopped, or another one be in use, since the last function.
        client = self._first_client.pop() if self._first_client else self._find_client()
        made = _FunctionCalls(function, client, self._find_pool(), self._find_client)
        self._functions.append(made)
        return made


class _FunctionCalls:
    """The calls of one function: a run on the cluster, or one after the other here."""

    def __init__(
        self,
        function: Callable[..., Any],
        client: ipyparallel.Client | None,
        pool: EnginePool,
        find_client: FindClient,
    ) -> None:
        self.function = function
        self.source = CallSource()
        self._idle_since = time.monotonic()
        self._client = client
        self._pool = pool
        self._find_client = find_client
        self._run: Run | None = None
        self._driver: Driver | None = None
        self._here = client is None
        self._patience = 0.0

    @property
    def is_open(self) -> bool:
        """Return True if it takes more calls."""
        return not self.source.closed

    def end_when_idle(self) -> None:
        """Wait for no more calls than it has."""
        self._idle_since = -IDLE_SECONDS

    def advance(self, seconds: float) -> bool:
        """Evaluate calls, or wait for answers for so long; return False if it has ended."""
        try:
            if self._here:
                self._call_here(self.source)
            else:
                self._poll(seconds)
        except BaseException as e:
            self._fail_all(e)
            if not isinstance(e, Exception):
                raise
            return False
        if not self.source.is_idle:
            self._idle_since = max(self._idle_since, time.monotonic())
        elif time.monotonic() - self._idle_since > IDLE_SECONDS:
            self.source.close()
            if self._run is not None and not self._run.is_finished:
                self._run.poll(0)
            return False
        elif self._here:
            time.sleep(seconds)
        return True

    # -- on the cluster -------------------------------------------------------------------

    def _poll(self, seconds: float) -> None:
        if self._run is None:
            self._start()
        run, driver = self._run, self._driver
        assert run is not None and driver is not None
        self._patience = seconds
        if not driver.step():
            self._take_back(run)
            return
        for index, (arguments, keywords) in run.take_unanswered():
            self._evaluate(self.source.started.pop(index), arguments, keywords)
            run.keep_here(index, None)
        for index in list(run.failures):
            future = self.source.started.pop(index, None)
            if future is not None:
                future.set_exception(exception_of(run.failures.pop(index)))

    def _start(self) -> None:
        self._run = run = Run(
            self._client,
            plain_function,
            (
                _WithKeywords(sendable(self.function), function_name(self.function)),
                True,
                main_facts(),
            ),
            self.source,
            function_name(self.function),
            policy=ElementPolicy(False),
            on_chunk=self._take,
            pool=self._pool,
        )
        self._driver = Driver(run, lambda: run.poll(self._patience), self._find_client)

    def _take(self, start: int, result: ChunkResult, _: object) -> None:
        """Give the values of a chunk to their futures."""
        assert self._run is not None
        for position in range(result.count):
            if position in result.outputs:
                write_output(start + position, result.outputs[position])
            if position not in result.failures:
                index = start + position
                value, self._run.values[index] = self._run.values[index], None
                self.source.started.pop(index).set_result(value)

    def _take_back(self, run: Run) -> None:
        """Evaluate here what the cluster has left, and all that comes."""
        for index, (arguments, keywords) in run.take_rest():
            self._evaluate(self.source.started.pop(index), arguments, keywords)
        run.finish_here()
        self._here = True

    # -- in this process ------------------------------------------------------------------

    def _call_here(self, source: CallSource) -> None:
        while (chunk := source.take(1)) is not None:
            [(arguments, keywords)] = chunk.elements
            self._evaluate(source.started.pop(chunk.start), arguments, keywords)

    def _evaluate(
        self, future: Future[Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        try:
            future.set_result(self.function(*arguments, **keywords))
        except BaseException as e:
            future.set_exception(e)

    def _fail_all(self, error: BaseException) -> None:
        """Give an error that is no call's own to every call."""
        self.source.close()
        for future in self.source.started.values():
            future.set_exception(error)
        self.source.started.clear()
        while (chunk := self.source.take(1)) is not None:
            self.source.started.pop(chunk.start).set_exception(error)
        if self._run is not None:
            with contextlib.suppress(ParallelFlowError):
                for engine in self._run.cancel():
                    self._pool.replace(engine)


class _WithKeywords:
    """A function that gets its keyword arguments as a dict.

    Parameters
    ----------
    function : callable
        The function.
    name : str
        What the user calls it.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self.__name__ = name

    def __call__(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return self._function(*arguments, **keywords)
