"""Engines without a cluster: processes that do what they are sent through a pipe, one by one.

A server is started once, with what engines import; it forks an engine in a few milliseconds. An
engine runs the real functions of `parallelflow.engine.runner`, dies as a real one does, and
treats SIGINT as ipykernel does.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

from traitlets.config import Application


def serve(control: socket.socket) -> None:
    """Fork an engine for each descriptor that comes, until the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            return
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            work(Connection(descriptors[0]))
            os._exit(0)
        os.close(descriptors[0])


class IPEngine(Application):
    """What a process is known by as an engine."""


def work(pipe: Connection) -> None:
    """Call what comes and send back what it returns or raises, until the other end is closed."""
    IPEngine.instance()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send_bytes(pickle.dumps(os.getpid()))
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            pipe.send_bytes(_reply(pipe.recv_bytes()))


def _reply(request: bytes) -> bytes:
    reply: tuple[str, Any]
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        function, arguments = pickle.loads(request)
        # As ipyparallel delivers what it has sent without copies.
        value = function(*(memoryview(a) if isinstance(a, bytes) else a for a in arguments))
        reply = "value", plain(value)
    except BaseException as e:
        reply = "error", (type(e).__name__, str(e))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return pickle.dumps(reply)


def plain(value: Any) -> Any:
    """Return a list of frames as bytes, which a pickle takes."""
    if isinstance(value, (list, tuple)):
        return [bytes(item) if isinstance(item, memoryview) else item for item in value]
    return value


if __name__ == "__main__":
    # What the tests' functions need, once for all engines.
    import numpy  # noqa: F401

    import tests.support.clusters
    import tests.support.dying  # noqa: F401

    serve(socket.socket(fileno=int(sys.argv[1])))
