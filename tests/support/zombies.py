"""Processes whose parent does not look at their end, as the first one of many containers."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil

from .waiting import wait_until

__all__ = ["unreaped"]

PARENT = """
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, start_new_session=True
)
print(child.pid, flush=True)
input()
child.stdin.close()
time.sleep(600)
"""


@contextlib.contextmanager
def unreaped(code: str) -> Iterator[tuple[int, Callable[[], None]]]:
    """Run code in a process, which leads a session of its own, and whose parent only sleeps.

    Parameters
    ----------
    code : str
        Python; it ends when its standard input does.

    Yields
    ------
    tuple of int and callable
        The process' id, and what ends it and waits until it is a zombie.
    """
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        told = parent.stdin
        pid = int(parent.stdout.readline())

        def end() -> None:
            told.write("\n")
            told.flush()
            wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)

        try:
            yield pid, end
        finally:
            parent.kill()
