"""Waiting for what happens soon: the one loop of its kind in the tests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

# A guard against deadlocks, for a machine that does much else; most of it takes a second.
LIMIT_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.02
# What a test adds to a time that is promised: the machine may do much else beside it.
BUSY_SECONDS = 20.0


def wait_until(condition: Callable[[], object], seconds: float = LIMIT_SECONDS) -> float:
    """Wait until a condition holds; return how long it took, in seconds.

    Raises
    ------
    AssertionError
        If it does not hold within `seconds`.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(LOOK_EVERY_SECONDS)
    return time.monotonic() - began


def wait_until_closed(before: int) -> None:
    """Wait until this process has no more files open than before: other threads have some briefly.

    Parameters
    ----------
    before : int
        What `open_files` has returned.
    """
    wait_until(lambda: open_files() <= before)


def open_files() -> int:
    """Return how many files this process has open."""
    return psutil.Process().num_fds()


def meet(folder: Path, processes: int = 2) -> int:
    """Wait until so many processes are in a call of this with the same folder; return the process.

    In an element, it makes sure that every engine has one, however slow an engine is to begin.
    """
    (folder / f"met-{os.getpid()}").touch()
    wait_until(lambda: len(list(folder.glob("met-*"))) >= processes)
    return os.getpid()
