"""Processes we started: how they are recognised again, and how they are stopped.

A bare pid is not enough to know a process by, since the system gives it to
another one later; pid and creation time together are. Imports psutil and the
standard library only: the guard process uses this file, too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import psutil

__all__ = ["MARK", "ProcessRecord", "marked", "record_of", "stop_trees"]

# Environment variable that every process started by a session inherits.
MARK = "PARALLELFLOW_SESSION"

# Engines between two tasks and idle controllers end within 0.3 s of SIGTERM (measured);
# a busy engine acts on it only when its task ends, which may be never.
TERM_SECONDS = 1.5
# Nannies and schedulers end within some ten ms of SIGTERM (measured).
ORPHAN_SECONDS = 0.5
# After SIGKILL only the kernel's own work is left; longer means a process stuck in I/O.
KILL_SECONDS = 5.0
# Creation times come from clock ticks and the boot time: they may differ by this much
# between two readings when the clock is being adjusted (psutil's documentation).
SAME_TIME_SECONDS = 2.0


@dataclass(frozen=True)
class ProcessRecord:
    """One process that we started.

    Attributes
    ----------
    pid : int
        Its process id; it leads a session of its own on POSIX systems.
    created : float
        Its creation time, seconds since the epoch.
    kind : str
        ``controller`` or ``engine``.
    """

    pid: int
    created: float
    kind: str

    def process(self) -> psutil.Process | None:
        """Return the process while it runs, None when it has ended (or is a zombie)."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > SAME_TIME_SECONDS:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.Error:
            return None

    def alive(self) -> bool:
        """Whether the process still runs."""
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
        return cls(int(str(fields["pid"])), float(str(fields["created"])), str(fields["kind"]))


def record_of(pid: int, kind: str) -> ProcessRecord | None:
    """Return the record of a running process, None if there is none of this pid."""
    try:
        return ProcessRecord(pid, psutil.Process(pid).create_time(), kind)
    except psutil.Error:
        return None


def marked(token: str) -> list[ProcessRecord]:
    """Return the processes that carry a session's mark in their environment.

    A session killed between the start of a process and the writing of its record
    has still marked it.

    Parameters
    ----------
    token : str
        The value of the environment variable `MARK`.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == token:
                found.append(ProcessRecord(process.pid, process.create_time(), "marked"))
    return found


def _members(record: ProcessRecord) -> list[psutil.Process]:
    """Return the processes of a record's tree and session, its own last.

    A controller's schedulers outlive a killed controller as orphans; they still
    belong to the session it led, by which they are found.
    """
    found: dict[int, psutil.Process] = {}
    leader = record.process()
    if leader is not None:
        with contextlib.suppress(psutil.Error):
            found.update((p.pid, p) for p in leader.children(recursive=True))
    if hasattr(os, "getsid"):
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                young = process.create_time() >= record.created - SAME_TIME_SECONDS
                if os.getsid(process.pid) == record.pid and young and process.pid != record.pid:
                    found[process.pid] = process
    members = list(found.values())
    if leader is not None:
        members.append(leader)
    return members


def _signal(processes: Iterable[psutil.Process], sig: int) -> None:
    for process in processes:
        # psutil compares the creation time before it sends: a reused pid is left alone.
        with contextlib.suppress(psutil.Error, OSError):
            process.send_signal(sig)


def _running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    running = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def stop_trees(records: Iterable[ProcessRecord], term_seconds: float = TERM_SECONDS) -> list[int]:
    """Stop whole process trees, all at once: SIGTERM, a moment, SIGKILL.

    Parameters
    ----------
    records : iterable of ProcessRecord
        The leaders; what has already ended is passed over.
    term_seconds : float
        How long SIGTERM may take to work, seconds.

    Returns
    -------
    list of int
        The pids that still run in spite of SIGKILL; empty in all but pathological cases.
    """
    records = list(records)
    members = {p.pid: p for record in records for p in _members(record)}
    leaders = {r.pid for r in records}
    # The leaders first: they stop their own children, which log errors if they lose their
    # leader before they are told. What outlives its leader (a nanny does) is told itself.
    _signal((p for p in members.values() if p.pid in leaders), signal.SIGTERM)
    _wait((p for p in members.values() if p.pid in leaders), term_seconds)
    # A process forked since the first look is found by a second one.
    members.update((p.pid, p) for record in records for p in _members(record))
    _signal(_running(members.values()), signal.SIGTERM)
    _wait(members.values(), ORPHAN_SECONDS)
    _signal(_running(members.values()), getattr(signal, "SIGKILL", signal.SIGTERM))
    return [p.pid for p in _wait(members.values(), KILL_SECONDS)]


def _wait(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    processes = list(processes)
    while True:
        _reap(processes)
        running = _running(processes)
        if not running or time.monotonic() > deadline:
            return running
        time.sleep(0.02)


def _reap(processes: Iterable[psutil.Process]) -> None:
    """Take the exit codes of children of ours, so that no zombie of theirs stays."""
    if os.name != "posix":
        return
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            if process.ppid() == os.getpid() and process.status() == psutil.STATUS_ZOMBIE:
                process.wait(timeout=0)
