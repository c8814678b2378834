"""The processes of a controller on this machine, and which of them have ended or are stopped.

A controller is a main process, the hub, and a child for each of its schedulers and for its
heart monitor. Nobody notices the death of a child: what is sent through a dead scheduler waits
indefinitely. On this machine each child is known by the port that it listens on, and whether it
has ended, or was stopped by SIGSTOP, is a fact that the system knows: a slow engine or a busy
machine cannot be mistaken for it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from parallelflow.system.safe_files import read_json

from ..system.process_table import listening_pids
from ..system.processes import ProcessRecord, record_of
from .connection_files import ConnectionFile

__all__ = ["HUB", "NEEDED", "ROLES", "ControllerProcesses", "engine_ports"]

HUB = "registration"
"""The main process, by the name that connection files have for its port."""

ROLES = {
    HUB: "hub",
    "mux": "mux scheduler",
    "hb_ping": "heart monitor",
    "control": "control scheduler",
    "task": "task scheduler",
    "broadcast": "broadcast scheduler",
    "iopub": "iopub relay",
}
"""What the processes are, by the names that connection files have for their ports."""

EFFECTS = {
    "control": "engines cannot be interrupted",
    "task": "load-balanced views wait",
    "broadcast": "broadcast views wait",
    "iopub": "the output of views is lost",
}
"""What does not work without those that runs can do without."""

NEEDED = (HUB, "mux", "hb_ping")
"""Those that no run can do without."""

RELAYS = ("control", "mux")
"""Those between a session and an engine: an interrupt's, and an answer's."""

# Whether children of this machine's Pythons are forked. Elsewhere (Python 3.14, macOS) each begins
# as a new process, which imports ipyparallel first: seconds each, and many more if it is busy.
FORKED = multiprocessing.get_all_start_methods()[0] == "fork"
# Forked schedulers listen within 0.1 s of the connection files on an idle machine. Where none
# listens after this time, it has ended before anybody looked.
STARTING_SECONDS = 10.0 if FORKED else 120.0
# A stop by SIGSTOP may be somebody's Ctrl-Z or a debugger's, and short. A run hears of it
# within 10 s: this, two looks of the watch and one of the run.
STOPPED_SECONDS = 4.0


class ControllerProcesses:
    """The processes of a connection file's controller.

    Parameters
    ----------
    connection : ConnectionFile
        The connection file.

    Attributes
    ----------
    main : ProcessRecord or None
        The controller's main process; None if it runs elsewhere or cannot be seen. If it has
        ended and children of it still run, one of those.
    """

    def __init__(self, connection: ConnectionFile) -> None:
        self._connection = connection
        self._found: dict[str, list[ProcessRecord]] = {}
        self._stopped_since: dict[ProcessRecord, float] = {}
        pid = connection.owner()
        self.main = record_of(pid, "controller") if pid is not None else None
        if self.main is not None:
            self._find(self.main)

    def fault(self, at_once: bool = False) -> str:
        """Return which process that every run needs has ended or is stopped, empty if none.

        Parameters
        ----------
        at_once : bool
            Whether a stopped process counts from its first moment, instead of after
            `STOPPED_SECONDS`.
        """
        return next(self._faults(NEEDED, 0.0 if at_once else STOPPED_SECONDS), "")

    def impairments(self) -> list[str]:
        """Return what does not work although runs go on, one line each."""
        found = []
        for role, effect in EFFECTS.items():
            found += [f"{fault}, so {effect}" for fault in self._faults([role], 0.0)]
        return found

    def pids(self) -> dict[str, list[int]]:
        """Return the processes' ids by their parts, as far as they are known."""
        if self.main is not None:
            self._find(self.main)
        return {role: self._members(role) for role in self._found}

    def running(self) -> list[int]:
        """Return the pids of those that still exist, the main process among them."""
        records = [r for found in self._found.values() for r in found]
        records += [self.main] if self.main is not None else []
        return sorted({record.pid for record in records if record.alive()})

    def relays(self) -> list[int]:
        """Return the pids of those by which engines are interrupted and answer."""
        return sorted({pid for role in RELAYS for pid in self._members(role)})

    def _find(self, main: ProcessRecord) -> None:
        """Find out which process has which part."""
        ports = _ports(self._connection)
        pids = listening_pids({port for each in ports.values() for port in each})
        for role in ROLES:
            if role == HUB or role in self._found:
                continue
            records = [
                record_of(pids[port], role)
                for port in ports[role]
                if port in pids and _belong_together(pids[port], main.pid)
            ]
            if records and None not in records and len(records) == len(ports[role]):
                # One for clients and one for engines are mostly the same process.
                self._found[role] = [r for r in dict.fromkeys(records) if r is not None]
        # The children hold the hub's port open, too, also when it has ended: then it is one of
        # them that was found by the port. (A controller that uses threads has several parts.)
        parts = [role for role in self._found if main.pid in self._members(role)]
        if len(parts) != 1:
            self._found[HUB] = [main]

    def _members(self, role: str) -> list[int]:
        return [record.pid for record in self._found.get(role, ())]

    def _faults(self, roles: Iterable[str], stopped_seconds: float) -> Iterator[str]:
        if self.main is None:
            return
        if any(role not in self._found for role in NEEDED):
            self._find(self.main)
        for role in roles:
            for record in self._found.get(role, ()):
                state = self._state(record, stopped_seconds)
                if state:
                    yield f"its {ROLES[role]} (process {record.pid}) {state}"
                    break
            if role in NEEDED and role not in self._found and self._is_settled():
                yield f"its {ROLES[role]} has ended"

    def _is_settled(self) -> bool:
        """Return True if every process of the controller has had the time to start.

        They begin when the connection files have been written. On a machine where many engines
        start, too, the main process may have taken longer than that to come so far.
        """
        assert self.main is not None
        now = time.time()
        if now - self.main.created <= STARTING_SECONDS:
            return False
        try:
            age = now - self._connection.path.stat().st_mtime
        except OSError:
            return True
        return not 0 <= age <= STARTING_SECONDS  # a file server's clock may be ahead

    def _state(self, record: ProcessRecord, stopped_seconds: float) -> str:
        """Return what is wrong with a process, empty if nothing is."""
        process = record.process()
        if process is None:
            return "has ended"
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_STOPPED:
                since = self._stopped_since.setdefault(record, time.monotonic())
                stopped = time.monotonic() - since >= stopped_seconds
                return f"is stopped (kill -CONT {record.pid} lets it go on)" if stopped else ""
        self._stopped_since.pop(record, None)
        return ""


def _belong_together(pid: int, other: int) -> bool:
    """Return True if two processes can be of one controller, which are all of one session.

    A port that a controller has chosen may have been taken by somebody else in that moment.
    """
    try:
        return os.getsid(pid) == os.getsid(other)
    except (OSError, AttributeError):  # one has ended, or the system has no sessions
        return True


def engine_ports(connection: ConnectionFile) -> dict[str, object]:
    """Return what the connection file for engines says, empty if it is not to be read here."""
    stem = connection.path.name.removesuffix("-client.json")
    return _fields(connection.path.with_name(f"{stem}-engine.json"))


def _fields(path: Path) -> dict[str, object]:
    try:
        fields = read_json(path)
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _ports(connection: ConnectionFile) -> dict[str, list[int]]:
    """Return the ports on which the processes listen, by their parts."""
    ports: dict[str, list[int]] = {role: [] for role in ROLES}
    for fields in (_fields(connection.path), engine_ports(connection)):
        for role in ROLES:
            value = fields.get(role)
            every = value if isinstance(value, list) else [value]
            ports[role] += [port for port in every if isinstance(port, int)]
    return ports
