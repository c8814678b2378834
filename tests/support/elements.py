"""Functions for engines that start children; each says in one value how they went."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

# A guard against deadlocks; a child ends within milliseconds.
SECONDS = 60.0


# Calls of PyDLL keep Python's lock, and one that waits for what it holds itself waits until a kill.
HANG_IN_C = (
    "import ctypes; mutex = ctypes.create_string_buffer(128); "
    "lock = ctypes.PyDLL(None).pthread_mutex_lock; lock(mutex); lock(mutex)"
)
"""Holds the main thread in C code that looks at no signal, and leaves the core to other tests."""


IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""What goes before a file that tells that C code has begun: an interrupt could come between."""


def hang_in_c(begun: Path | None = None) -> None:
    """Do what `HANG_IN_C` says; it never returns.

    Parameters
    ----------
    begun : Path, optional
        A file that is made when it begins.
    """
    if begun is not None:
        exec(IGNORE_INTERRUPTS)
        begun.touch()
    exec(HANG_IN_C)


def use_pool(method: str, x: int) -> list[int]:
    """Return what a pool of two workers gives."""
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map(abs, [-x, -1])


def use_executor(method: str, x: int) -> list[int]:
    """Return what an executor of two workers gives."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        return list(executor.map(abs, [-x, -1]))


def use_nested(x: int) -> list[int]:
    """Return what a pool gives that runs in the child of a child."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(use_pool, "fork", x).result(SECONDS)


def use_loky(x: int) -> list[int]:
    """Return what joblib's workers give."""
    import joblib

    return list(joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(y) for y in (-x, -1)))


def be_signalled(number: int) -> int:
    """Return the exit code of a child that sleeps until it gets a signal."""
    ready, begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(begun, b".")
            # Shortly, many times: a signal that comes just before a sleep does not end it, and
            # Python calls a handler only after it.
            for _ in range(int(SECONDS * 100)):
                time.sleep(0.01)
            os._exit(77)
        except BaseException:
            os._exit(78)
    os.read(ready, 1)
    os.close(ready)
    os.close(begun)
    os.kill(pid, number)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def come_back(how: str) -> int:
    """Return the exit code of a child that comes back from the element in some way."""
    pid = os.fork()
    if pid == 0:
        if how == "exit":
            sys.exit(3)
        if how == "text":
            sys.exit("a text")
        if how == "error":
            raise ValueError("in the child")
        if how == "interrupt":
            raise KeyboardInterrupt
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def keep_own_handler(_: Any) -> int:
    """Return the exit code of a child that inherits a handler which the element has set."""

    def leave(number: int, frame: Any) -> None:
        os._exit(5)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        return be_signalled(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def signals_of_child(_: Any) -> list[str]:
    """Return how a child answers the signals that end a process, and its wakeup descriptor."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            found = [repr(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM)]
            found.append(str(signal.set_wakeup_fd(-1)))
            os.write(write, "\n".join(found).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return text.split("\n")
