"""Processes we started: how they are recognised again.

A bare pid is not enough to know a process by, since the system gives it to
another one later; pid and start time together are. Imports psutil and the
standard library only: the guard process uses this file, too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from parallelflow.names import TOKEN_VARIABLE

from .process_table import pids_with_variable, stat_fields

__all__ = [
    "ENGINE_SET",
    "TOKEN_VARIABLE",
    "ProcessRecord",
    "find_by_token",
    "is_current_boot",
    "is_of_this_machine",
    "moment_of",
    "pid_namespace",
    "pid_of",
    "record_of",
    "started_after",
]

ENGINE_SET = "PARALLELFLOW_ENGINE_SET"
"""The environment variable that names the set in which an engine was started."""

# Where the system gives creation times by the wall clock only, two readings may differ by
# this much while the clock is being adjusted (psutil's documentation).
SAME_TIME_SECONDS = 2.0


# The letters that ``proc(5)`` has for a process that has ended.
ENDED = ("Z", "X", "x")

# What a process id is to the system: a signed number of 32 bits.
MAX_PID = 2**31 - 1
# The end of the year 9999, the last one that Python's calendar has.
MAX_SECONDS = 253402300799.0


@functools.cache
def _boot() -> str | None:
    """Return the id of the running system's boot, None where there is none (not Linux)."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None


def _start_stamp(process: psutil.Process) -> str:
    """Return when a process started, in a form that no change of the clock touches.

    On Linux the boot's id and the clock ticks since then (``proc(5)``, field 22 of
    ``stat``); elsewhere the creation time, seconds since the epoch.
    """
    if _boot() is not None:
        with contextlib.suppress(OSError, IndexError):
            return f"{_boot()}/{stat_fields(process.pid)[19]}"
    return f"{process.create_time():.2f}"


def _same_start(one: str, other: str) -> bool:
    if "/" in one or "/" in other:
        return one == other
    with contextlib.suppress(ValueError):
        return abs(float(one) - float(other)) <= SAME_TIME_SECONDS
    return False


@dataclass(frozen=True)
class ProcessRecord:
    """One process that we started.

    Attributes
    ----------
    pid : int
        Its process id; it leads a session of its own on POSIX systems.
    start_stamp : str
        When it started; equal for one process, different for another of the same pid.
    kind : str
        ``controller``, ``engine``, ``launcher`` (such as mpiexec), ``guard``, ``session``.
    created : float
        Its creation time by the wall clock then, seconds since the epoch, for the user.
    """

    pid: int
    start_stamp: str
    kind: str
    created: float = 0.0

    def process(self) -> psutil.Process | None:
        """Return the process while it runs, None when it has ended (or is a zombie)."""
        try:
            process = psutil.Process(self.pid)
            if not _same_start(_start_stamp(process), self.start_stamp):
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except (psutil.Error, ValueError):  # a pid that no process can have
            return None

    def name(self) -> str:
        """Return what the user calls it: its kind, or the program's name of a launcher."""
        process = self.process() if self.kind == "launcher" else None
        with contextlib.suppress(psutil.Error):
            return self.kind if process is None else str(process.name())
        return self.kind

    def is_same(self, other: ProcessRecord) -> bool:
        """Whether both are of one process."""
        return self.pid == other.pid and _same_start(self.start_stamp, other.start_stamp)

    def alive(self) -> bool:
        """Whether the process still runs."""
        if _boot() is not None and "/" in self.start_stamp:
            # Runs ask for it many times a second, and psutil reads the same file three times.
            with contextlib.suppress(OSError, IndexError, ValueError):
                stat = stat_fields(self.pid)
                return stat[0] not in ENDED and f"{_boot()}/{stat[19]}" == self.start_stamp
        return self.process() is not None

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, object]) -> ProcessRecord:
        """Make a record of what `to_dict` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the fields are not those of a record.
        """
        created = moment_of(fields["created"])
        return cls(pid_of(fields["pid"]), str(fields["start_stamp"]), str(fields["kind"]), created)


def pid_of(value: object) -> int:
    """Return the process id that a file names.

    Raises
    ------
    ValueError
        If no process can have it: 0 and negative numbers stand for groups of processes.
    """
    pid = int(str(value))
    if not 0 < pid <= MAX_PID:
        raise ValueError(f"there is no process id {pid}")
    return pid


def moment_of(value: object) -> float:
    """Return the seconds since the epoch that a file names.

    Raises
    ------
    ValueError
        If no clock can show them.
    """
    seconds = float(str(value))
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"there is no moment {seconds:g} s after the epoch")
    return seconds


def is_current_boot(start_stamp: str) -> bool | None:
    """Whether a process started on this machine since its start; None if nobody can tell."""
    boot, slash, _ = start_stamp.rpartition("/")
    return None if not slash or _boot() is None else boot == _boot()


def pid_namespace() -> str:
    """Return the process ids' namespace of this process (Linux); empty if there is none.

    Two containers of one machine may share a folder, and do not see each other's processes.
    """
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def is_of_this_machine(start_stamp: str, host: str, namespace: str) -> bool:
    """Return True if a process is one of this machine, also if its name has changed meanwhile.

    Parameters
    ----------
    start_stamp : str
        When the process started, as its record has it.
    host : str
        The name of its machine.
    namespace : str
        Its `pid_namespace`.
    """
    start = is_current_boot(start_stamp)
    if start and namespace != pid_namespace():
        return False  # in another container
    return host == socket.gethostname() or start is True


def record_of(pid: int, kind: str) -> ProcessRecord | None:
    """Return the record of a running process, None if there is none of this pid."""
    try:
        process = psutil.Process(pid)
        return ProcessRecord(pid, _start_stamp(process), kind, process.create_time())
    except (psutil.Error, ValueError):
        return None


def find_by_token(token: str) -> list[ProcessRecord]:
    """Return the processes that carry a session's token in their environment.

    A session killed between the start of a process and the writing of its record
    has still given it to it.

    Parameters
    ----------
    token : str
        The value of the environment variable `TOKEN_VARIABLE`.
    """
    pids = [pid for pid in pids_with_variable(TOKEN_VARIABLE, token) if pid != os.getpid()]
    records = [record_of(pid, "of a token") for pid in pids]
    return [record for record in records if record is not None]


def started_after(process: psutil.Process, record: ProcessRecord) -> bool:
    """Return True if a process started after the one of a record, in the same boot."""
    boot, _, start = record.start_stamp.rpartition("/")
    boot_now, _, start_now = _start_stamp(process).rpartition("/")
    # Clock ticks since the boot are exact; only readings of the wall clock differ.
    inexact = 0.0 if boot else SAME_TIME_SECONDS
    return boot == boot_now and float(start_now) >= float(start) - inexact
