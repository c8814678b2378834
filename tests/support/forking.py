"""A process that forks programs on request: what it has loaded none of them loads again."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

# More than a request has: arguments and an environment.
REQUEST_BYTES = 200_000


class ForkingProcess:
    """The side of this process.

    Parameters
    ----------
    command : sequence of str
        What starts it. The next argument is the descriptor that it hands to `serve`.
    *arguments : str
        Those after it.
    **options
        Those of ``subprocess.Popen``.
    """

    def __init__(self, command: Sequence[str], *arguments: str, **options: Any) -> None:
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [*command, str(other.fileno()), *arguments],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                **options,
            )

    def fork(self, request: object, descriptors: Sequence[int]) -> int:
        """Have it fork itself, with open files of this process; return the new one's pid."""
        socket.send_fds(self._control, [pickle.dumps(request)], descriptors)
        return int(self._control.recv(20))

    def stop(self) -> None:
        """End it; what it has forked goes on."""
        self._control.close()
        self._process.wait()


def serve(descriptor: int, most: int, run: Callable[[Any, Sequence[int]], NoReturn]) -> None:
    """Fork for each request, until the other side is closed.

    Parameters
    ----------
    descriptor : int
        The socket to the other side.
    most : int
        How many open files a request has, at most.
    run : callable
        Called in what was forked, with the request and its open files.
    """
    control = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST_BYTES, most)
        if not request:
            return
        pid = os.fork()
        if not pid:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run(pickle.loads(request), descriptors)
        for each in descriptors:
            os.close(each)
        control.send(str(pid).encode())
