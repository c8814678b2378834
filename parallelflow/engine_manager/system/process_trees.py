"""How processes that we started are stopped, with all that they have started.

Imports psutil and the standard library only: the guard process uses this file, too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

import psutil

from .process_table import ProcessTable
from .processes import ProcessRecord, record_of, started_after

__all__ = ["stop_trees"]

# Engines between two tasks and idle controllers end within 0.3 s of SIGTERM (measured);
# a busy engine acts on it only when its task ends, which may be never.
TERM_SECONDS = 1.5
# Nannies and schedulers end within some ten ms of SIGTERM (measured).
ORPHAN_SECONDS = 0.5
# A nanny tells the hub within some ten ms that its engine has gone, and ends (measured: 60 ms);
# ipyparallel lets it try for 3 s.
NANNY_SECONDS = 3.0
# After SIGKILL only the kernel's own work is left; longer means a process stuck in I/O.
KILL_SECONDS = 5.0


def _members(records: Iterable[ProcessRecord]) -> dict[int, psutil.Process]:
    """Return the processes of the records' trees and sessions, by pid.

    A controller's schedulers outlive a killed controller as orphans; they still
    belong to the session it led, by which they are found.
    """
    records = list(records)
    table = ProcessTable()
    found: dict[int, psutil.Process] = {}
    for record in records:
        leader = record.process()
        if leader is not None:
            found[leader.pid] = leader
            found.update(_started_after(table.descendants(leader.pid), record))
    # The system gives the pid to nobody else while its session has members: if somebody has it,
    # these are his. A leader that has ended may have it until its parent looks at its end.
    starters = {}
    for record in records:
        now = record_of(record.pid, record.kind)
        if now is None or now.is_same(record):
            starters[record.pid] = record
    for pid, leader_pid in table.sessions.items():
        if leader_pid in starters and pid != leader_pid:
            found.update(_started_after([pid], starters[leader_pid]))
    return found


def _started_after(pids: Iterable[int], record: ProcessRecord) -> dict[int, psutil.Process]:
    """Return the processes of pids, by pid, but for those that are older than that of a record."""
    found = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            process = psutil.Process(pid)
            if started_after(process, record):
                found[pid] = process
    return found


def _is_nanny(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        # Ours is forked and has another name (see `nanny.NAME`).
        own = process.name() == "ipengine-nanny"
        return own or "ipyparallel.engine.nanny" in process.cmdline()
    return False


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


def stop_trees(
    records: Iterable[ProcessRecord], term_seconds: float = TERM_SECONDS, nannies: bool = True
) -> list[int]:
    """Stop whole process trees, all at once: SIGTERM, a moment, SIGKILL.

    A nanny tells the hub that its engine has gone, and ends by itself. If no controller is
    stopped, it gets the time to: the engine would stay in the cluster's list until the controller
    misses its heartbeats, and whoever comes next would send it work.

    Parameters
    ----------
    records : iterable of ProcessRecord
        The leaders; what has already ended is passed over.
    term_seconds : float
        How long SIGTERM may take to work, seconds.
    nannies : bool
        Whether engines' nannies are waited for, and stopped if they do not end.

    Returns
    -------
    list of int
        The pids that still run in spite of SIGKILL; empty in all but pathological cases.
    """
    records = list(records)
    watchers: dict[int, psutil.Process] = {}

    def look() -> dict[int, psutil.Process]:
        found = _members(records)
        watchers.update((pid, p) for pid, p in found.items() if _is_nanny(p))
        return {pid: p for pid, p in found.items() if pid not in watchers}

    members = look()
    leaders = {record.pid for record in records}
    # The leaders first: they stop their own children, which log errors if they lose their
    # leader before they are told. What outlives its leader is told itself.
    _signal((p for p in members.values() if p.pid in leaders), signal.SIGTERM)
    _wait((p for p in members.values() if p.pid in leaders), term_seconds)
    # A process forked since the first look is found by a second one.
    members.update(look())
    if nannies and any(record.kind == "controller" for record in records):
        members.update(watchers)  # there is nobody to be told
        watchers.clear()
    _stop_each(members.values())
    if nannies:
        members.update(watchers)
        _stop_each(_wait(watchers.values(), NANNY_SECONDS))
    return [p.pid for p in _running(members.values())]


def _stop_each(processes: Iterable[psutil.Process]) -> None:
    """Stop processes, without their children: SIGTERM, a moment, SIGKILL."""
    processes = list(processes)
    _signal(_running(processes), signal.SIGTERM)
    _wait(processes, ORPHAN_SECONDS)
    _signal(_running(processes), getattr(signal, "SIGKILL", signal.SIGTERM))
    _wait(processes, KILL_SECONDS)


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
