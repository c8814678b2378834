"""What to do when the system refuses something: a process, a file, space on a disk."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys

import psutil

from parallelflow.errors import ControllerFailed

__all__ = ["NO_THREAD", "check_loopback", "check_open_files", "check_processes", "what_to_do"]

# A controller with one engine opens 57 files, and one or two more for each further engine (measured
# with ipyparallel 9.2); with less than it needs it hangs without a word.
OPEN_FILES = 64
FILES_EACH = 2
# The system counts threads. A session with the controller that it starts has 38, and 15 more for
# each engine of this machine (measured with ipyparallel 9.2); where zmq gets none, it ends the
# process.
PROCESSES = 38
PROCESSES_EACH = 15
LOOPBACK = "127.0.0.1"
LOOPBACK_SECONDS = 2.0
SWITCH_ON = "Switch its loopback interface on (ip link set lo up)."

_ADVICE = {
    errno.ENOSPC: "Free some space on the disk.",
    errno.EDQUOT: "Free some space: your quota is used up.",
    errno.EROFS: "Choose a place that can be written, by IPYTHONDIR.",
    errno.EACCES: "Correct the permissions.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n).",
    errno.ENFILE: "Close other programs: the system has too many files open.",
    errno.EAGAIN: "Raise the limit of processes (ulimit -u), or end some.",
    errno.ENOMEM: "Free some memory, or start fewer engines.",
}

# What Python raises for EAGAIN where a thread cannot be started.
NO_THREAD = "can't start new thread"


def what_to_do(error: BaseException | None, otherwise: str) -> str:
    """Return a sentence on what to do about an error.

    Parameters
    ----------
    error : BaseException or None
        The error; what it was raised from is looked at, too.
    otherwise : str
        The sentence if the system did not refuse anything that is known here.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _ADVICE:
            return _ADVICE[error.errno]
        if isinstance(error, RuntimeError) and NO_THREAD in str(error):
            return _ADVICE[errno.EAGAIN]
        error = error.__cause__ or error.__context__
    return otherwise


def check_open_files(engines: int, pid: int = 0) -> None:
    """Raise unless a controller may open as many files as it needs for so many engines.

    Parameters
    ----------
    engines : int
        How many it is to have in all.
    pid : int
        The controller that runs; 0: one that this process starts has this process' limits.

    Raises
    ------
    ControllerFailed
        If the limit is lower.
    """
    if sys.platform == "win32":
        return  # it has no such limit
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if pid and sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):  # it may have ended just now
            limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
    needed = OPEN_FILES + FILES_EACH * (engines - 1)
    if 0 <= limit < needed:
        runs = "The controller that runs" if pid else "A process"
        advice = "Stop it and start it again with more (ulimit -n)." if pid else ""
        raise ControllerFailed(
            f"{runs} may open {limit} files here, and a controller needs at least "
            f"{needed}. {advice or _ADVICE[errno.EMFILE]}"
        )


def check_processes(engines: int, controller: bool) -> None:
    """Raise unless this user may start as many processes and threads as a cluster needs.

    Parameters
    ----------
    engines : int
        How many are started on this machine.
    controller : bool
        Whether a controller is started, too.

    Raises
    ------
    ControllerFailed
        If the limit is lower.
    """
    if sys.platform == "win32" or os.geteuid() == 0:
        return  # without such a limit
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if limit == resource.RLIM_INFINITY:
        return
    needed = PROCESSES * controller + PROCESSES_EACH * engines
    running = _threads_of(os.getuid())
    if running + needed > limit:
        raise ControllerFailed(
            f"You may have {limit} processes and threads here and have {running}; about {needed} "
            f"more are needed. {_ADVICE[errno.EAGAIN]}"
        )


def _threads_of(user: int) -> int:
    """Return how many threads a user's processes have."""
    number = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == user:
                number += process.num_threads()
    return number


def check_loopback() -> None:
    """Raise unless programs of this machine reach each other, as controller and engines do.

    Raises
    ------
    ControllerFailed
        If a connection to this machine fails.
    """
    try:
        with socket.create_server((LOOPBACK, 0)) as server:
            port = server.getsockname()[1]
            socket.create_connection((LOOPBACK, port), LOOPBACK_SECONDS).close()
    except OSError as e:
        raise ControllerFailed(
            f"Programs of this machine cannot reach each other at {LOOPBACK}: {e}. "
            f"{what_to_do(e, SWITCH_ON)}"
        ) from e
