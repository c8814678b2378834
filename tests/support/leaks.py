"""Find the processes that a test run started and did not stop, and temporary files that it left.

Every process below this one inherits an environment variable that names the
run. It stays readable in ``/proc`` when the process has left its parent and
its session, as controllers, engines and guards do on purpose.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
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
    below = me.children(recursive=True)
    children = {child.pid for child in below}
    own = {child.pid for child in below if _parent(child) == me.pid}
    found = set()
    for process in psutil.process_iter():
        if process.pid != me.pid and (process.pid in children or _carries(process.pid, mark)):
            left = _describe(process)
            if left is not None and not (
                left.pid in own and any(part in left.command for part in OWN)
            ):
                found.add(left)
    return found


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for its parent to look at it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


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


# They end with this process: Python's own, where a test has made processes otherwise than by a
# fork, and what controllers and engines of all tests are forked from.
OWN = ("from multiprocessing.resource_tracker import main", "tests.support.loaded_programs")
# A session's own folder: it goes when its process ends, and the next one removes it after a kill.
# Qt keeps one file for each home.
NOT_LEFT = ("parallelflow-core-", "qipc_")


class TemporaryFiles:
    """The temporary files of a test run: which are there, and since which test.

    Parameters
    ----------
    folder : Path
        The run's own folder for temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._since: dict[str, str] = {}

    def look(self, test: str) -> None:
        """Note which files have come since the test before, for a test that has just ended."""
        names = {entry.name for entry in self._folder.iterdir()}
        now = {name for name in names if not name.startswith(NOT_LEFT)}
        self._since = {name: self._since.get(name, test) for name in now}

    def report(self) -> str:
        """Return a line for each file or folder that is there: its name, and since which test."""
        self.look("the end of the run")
        return "\n".join(f"  {name}: since {test}" for name, test in sorted(self._since.items()))


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


def _parent(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.ppid()
    return None


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
