"""Find the processes that a test run started and did not stop.

Every process below this one inherits an environment variable that names the
run. It stays readable in ``/proc`` when the process has left its parent and
its session, as controllers, engines and guards do on purpose.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable
from typing import NamedTuple

import psutil

VARIABLE = "PARALLELFLOW_TEST_RUN"

# What was told to stop may take a moment: an engine finishes its heartbeat, a guard its last look.
GRACE_SECONDS = 15.0
LOOK_EVERY_SECONDS = 0.1
# Processes killed as left behind: only as long as the system needs to remove them.
KILL_SECONDS = 5.0


class Left(NamedTuple):
    """A process that is still there; pid and creation time (seconds since 1970) identify it."""

    pid: int
    created: float
    command: str


def mark_this_run() -> str:
    """Put a new name for this run into the environment, for every process started from now on."""
    os.environ[VARIABLE] = name = uuid.uuid4().hex
    return name


def processes_of(run: str) -> set[Left]:
    """Return the living processes that carry the run's name or descend from this process."""
    mark = f"{VARIABLE}={run}".encode()
    me = psutil.Process()
    children = {child.pid for child in me.children(recursive=True)}
    found = set()
    for process in psutil.process_iter():
        if process.pid != me.pid and (process.pid in children or _carries(process.pid, mark)):
            left = _describe(process)
            if left is not None:
                found.add(left)
    return found


def wait_until_gone(
    run: str, known: Iterable[Left] = (), seconds: float = GRACE_SECONDS
) -> set[Left]:
    """Wait until no process of the run is left but the known ones.

    Parameters
    ----------
    run : str
        The run's name.
    known : iterable of Left
        Processes that may stay, such as those of a cluster that many tests share.
    seconds : float
        How long to wait at most.

    Returns
    -------
    set of Left
        What was still there at the end; empty as soon as all is gone.
    """
    known = set(known)
    deadline = time.monotonic() + seconds
    while True:
        left = processes_of(run) - known
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(LOOK_EVERY_SECONDS)


def kill(left: Iterable[Left]) -> None:
    """Kill these processes, each only if it is still the same one."""
    killed = []
    for pid, created, _ in left:
        try:
            process = psutil.Process(pid)
            if process.create_time() == created:
                process.kill()
                killed.append(process)
        except psutil.NoSuchProcess:
            pass
    psutil.wait_procs(killed, timeout=KILL_SECONDS)


def report(left: Iterable[Left]) -> str:
    """Return one line per process: its pid and its command line."""
    return "\n".join(f"  {pid}: {command}" for pid, _, command in sorted(left))


def _carries(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as environment:
            return mark in environment.read().split(b"\0")
    except OSError:  # gone, or another user's
        return False


def _describe(process: psutil.Process) -> Left | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        command = " ".join(process.cmdline()) or process.name()
        return Left(process.pid, process.create_time(), command)
    except psutil.NoSuchProcess:
        return None
