"""A client of ipyparallel without a cluster: what `parallelflow.work` uses of one.

Its engines are processes that run the real `parallelflow.engine.runner`, start in milliseconds,
and may be killed. One test runs the same cases with this and with a real client, so that it
behaves as that one does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle
import psutil
from ipyparallel.error import EngineError, RemoteError, TaskAborted
from ipyparallel.serialize import deserialize_object

from .fake_engine import plain

_numbers = itertools.count()


class EngineServer:
    """The process that engines are forked from; one is enough for a test run."""

    def __init__(self) -> None:
        self._control, other = socket.socketpair()
        command = [sys.executable, "-m", "tests.support.fake_engine", str(other.fileno())]
        with other:
            self._process = subprocess.Popen(command, pass_fds=[other.fileno()])

    def start_engine(self) -> Connection:
        """Start an engine; return the pipe to it."""
        mine, its = socket.socketpair()
        with its:
            socket.send_fds(self._control, [b"x"], [its.fileno()])
        return Connection(mine.detach())

    def stop(self) -> None:
        """End the server; engines end when their pipes are closed."""
        self._control.close()
        self._process.wait()


class Answer:
    """What ipyparallel calls a MessageFuture, and an AsyncResult."""

    def __init__(self, request: tuple[Any, ...] = ()) -> None:
        self.msg_id = f"message {next(_numbers)}"
        self.msg_ids = [self.msg_id]
        self.output = self
        self.request = request
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Answer], Any]] = []
        self._lock = threading.Lock()

    def done(self) -> bool:
        return self._done.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        return self._done.wait(timeout)

    def result(self) -> Any:
        return self._value if self._error is None else self._error

    def get(self, timeout: float | None = None) -> Any:
        if not self._done.wait(timeout):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value

    def add_done_callback(self, callback: Callable[[Answer], Any]) -> None:
        with self._lock:
            if not self.done():
                self._callbacks.append(callback)
                return
        callback(self)

    def finish(self, value: Any, error: BaseException | None = None) -> None:
        with self._lock:
            if self.done():
                return
            self._value, self._error, self.request = value, error, ()
            self._done.set()
        for callback in self._callbacks:
            callback(self)
        self._callbacks.clear()


class Engine:
    """An engine, as the client sees it: one request is with it, others wait here."""

    def __init__(self, client: FakeClient, number: int, pipe: Connection) -> None:
        self.pid: int = pickle.loads(pipe.recv_bytes())
        self._client = client
        self._number = number
        self._pipe = pipe
        self._lock = threading.Lock()
        self._running: Answer | None = None
        self._waiting: deque[Answer] = deque()
        self._gone = False
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        self._writer.start()

    def send(self, answer: Answer) -> None:
        with self._lock:
            if self._gone:
                raise ValueError(f"no engine {self._number}")
            self._waiting.append(answer)
            self._send_next()

    def _send_next(self) -> None:
        if self._running is None and self._waiting:
            self._running = self._waiting.popleft()
            self._requests.put(cloudpickle.dumps(self._running.request))

    def _write(self) -> None:
        """Send what is given; the pipe takes no more than 0.2 MB while the engine is stopped."""
        with contextlib.suppress(OSError):  # it has died; the reader finds out
            while (request := self._requests.get()) is not None:
                self._pipe.send_bytes(request)

    def _read(self) -> None:
        while True:
            try:
                kind, content = pickle.loads(self._pipe.recv_bytes())
            except (EOFError, OSError):
                break
            with self._lock:
                answer, self._running = self._running, None
                self._send_next()
            assert answer is not None
            if kind == "value":
                answer.finish(content)
            else:
                answer.finish(None, RemoteError(*content, traceback=""))
        self._client.death_notice.wait()
        self._client.remove(self._number)
        with self._lock:
            self._gone = True
            left = [a for a in (self._running, *self._waiting) if a is not None]
        for answer in left:
            message = f"Engine {self._number} died while running task {answer.msg_ids[0]}"
            answer.finish(None, EngineError(message))

    def abort(self, messages: Iterable[str]) -> None:
        with self._lock:
            aborted = [answer for answer in self._waiting if answer.msg_id in messages]
            for answer in aborted:
                self._waiting.remove(answer)
        for answer in aborted:
            answer.finish(None, TaskAborted("aborted"))

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._thread.join()
        self._requests.put(None)
        self._writer.join()
        self._pipe.close()


class FakeClient:
    """A client with engines of its own.

    Attributes
    ----------
    death_notice : threading.Event
        Cleared, deaths of engines are not noticed until it is set again.
    before_send : callable
        Called with the engine's id and the function before anything is sent.
    """

    def __init__(self, server: EngineServer, engines: int = 2) -> None:
        self._server = server
        self._processes: dict[int, Engine] = {}
        self._engines: dict[int, str] = {}
        self._mux_stream = None
        self._ids: set[int] = set()
        self.history: list[str] = []
        self.results: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.before_send: Callable[[int, Any], object] = lambda engine, function: None
        self.death_notice = threading.Event()
        self.death_notice.set()
        self.start_engines(engines)

    @property
    def ids(self) -> list[int]:
        return sorted(self._ids)

    def direct_view(self, engine: int) -> View:
        return View(self, engine, self._processes[engine])

    def send_apply_request(
        self, socket: None, f: Any, arguments: tuple[Any, ...], ident: bytes, metadata: Any
    ) -> Answer:
        copy = deserialize_object(f.buffers)[0]
        function = getattr(sys.modules[copy.__module__], copy.__name__)
        return self.direct_view(int(ident)).apply_async(function, *arguments)

    def abort(self, jobs: list[str], targets: list[int], block: bool) -> None:
        for engine in targets:
            self._processes[engine].abort(jobs)

    def send_signal(self, number: int, targets: list[int], block: bool) -> Answer:
        for engine in targets:
            self.kill(engine, number)
        answer = Answer()
        answer.finish(None)
        return answer

    def purge_local_results(self, jobs: list[str]) -> None:
        assert type(jobs) is list

    # -- what a manager does --------------------------------------------------------------

    def start_engines(self, count: int) -> None:
        """Start engines."""
        for _ in range(count):
            number = len(self._processes)
            self._processes[number] = Engine(self, number, self._server.start_engine())
            self._engines[number] = str(number)
            self._ids.add(number)

    def remove(self, engine: int) -> None:
        """Take an engine that has died out of `ids`."""
        self._ids.discard(engine)

    def kill(self, engine: int, number: int = signal.SIGKILL) -> None:
        """Send an engine's process a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._processes[engine].pid, number)

    def has_process(self, engine: int) -> bool:
        """Return True if an engine's process is there."""
        return psutil.pid_exists(self._processes[engine].pid)

    def close(self) -> None:
        """End all engines."""
        self.death_notice.set()
        for engine in self._processes.values():
            engine.close()


class View:
    """What sends to one engine."""

    def __init__(self, client: FakeClient, number: int, engine: Engine) -> None:
        self._client = client
        self._number = number
        self._engine = engine

    def apply_async(self, function: Callable[..., Any], *arguments: Any) -> Answer:
        self._client.before_send(self._number, function)
        answer = Answer((function, plain(arguments)))
        self._engine.send(answer)
        return answer
