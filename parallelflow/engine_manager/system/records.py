"""What a session started, on disk beside the profile's own files.

One JSON file per session and cluster, ``pid/parallelflow-HOST-PID-RANDOM.json`` in the
profile's folder. The guard process reads it when the session ends, and a later session or another
terminal reads it to find, reuse or stop what was left running. Standard library and
psutil only.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from parallelflow.system.safe_files import (
    UnusableFile,
    list_files,
    read_bytes,
    read_json,
    replace_text,
)

from .jobs import JobRecord, end_all
from .lock import profile_lock_if_free
from .process_trees import stop_trees
from .processes import (
    ProcessRecord,
    find_by_token,
    is_of_this_machine,
    pid_namespace,
    record_of,
)

__all__ = [
    "SessionRecord",
    "fingerprint",
    "read",
    "read_all",
    "session_name",
    "stop_abandoned",
]

# What a session that was killed while it wrote has left; it is written in milliseconds.
UNFINISHED_SECONDS = 3600.0
# Of a host's name in the names of files.
HOST_CHARACTERS = 32

_told_of: set[tuple[str, str]] = set()

logger = logging.getLogger(__name__)


@dataclass
class SessionRecord:
    """The processes that one session started for one cluster.

    Attributes
    ----------
    path : Path
        The file.
    session : ProcessRecord
        The session's own process.
    token : str
        The token of the processes (see `processes.TOKEN_VARIABLE`).
    host : str
        The machine of session and processes: a profile's folder may be shared by several.
    cluster_id : str
        The cluster that the processes belong to.
    processes : list of ProcessRecord
        Controller and engines, in the order of their start.
    jobs : list of JobRecord
        Engines that run elsewhere.
    files : list of str
        Files that are to go when the processes do, relative to the profile's folder.
    engines : dict of str to dict
        What the engines told of themselves, by their identity in the cluster: another session
        need not ask them again, which it could not while they are busy.
    connection : str
        `fingerprint` of the connection file that its controller has written, empty if it has
        none: another controller may have written another one in its place.
    namespace : str
        The process ids' namespace (Linux): two containers of one machine may share the folder,
        and do not see each other's processes. Empty if there is no such thing.
    keep : bool
        Left running on purpose: the end of the session does not stop them.
    elastic : dict of str to object
        Of a controller's record: between how many engines its cluster adapts itself to its work,
        as `Limits` has it; empty if it does not.
    not_ended : list of str
        Of the jobs that the last `stop` could not end, a line each.
    """

    path: Path
    session: ProcessRecord
    token: str
    host: str = field(default_factory=socket.gethostname)
    cluster_id: str = ""
    processes: list[ProcessRecord] = field(default_factory=list)
    jobs: list[JobRecord] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    connection: str = ""
    namespace: str = field(default_factory=pid_namespace)
    keep: bool = False
    elastic: dict[str, Any] = field(default_factory=dict)
    not_ended: list[str] = field(default_factory=list)

    @classmethod
    def of_this_session(cls, profile_folder: Path, cluster_id: str = "") -> SessionRecord:
        """Return an empty record for this process, not yet written."""
        me = record_of(os.getpid(), "session")
        assert me is not None  # we are running
        name = session_name()
        path = profile_folder / "pid" / f"parallelflow-{name}.json"
        return cls(path, me, f"{name}-{me.start_stamp}", cluster_id=cluster_id)

    @property
    def here(self) -> bool:
        """Whether its processes run on this machine, also if its name has changed meanwhile."""
        return is_of_this_machine(self.session.start_stamp, self.host, self.namespace)

    @property
    def abandoned(self) -> bool:
        """Whether its session has ended without stopping or leaving what it had started."""
        return self.here and not self.keep and not self.session.alive()

    def add(self, processes: Iterable[ProcessRecord] = (), jobs: Iterable[JobRecord] = ()) -> None:
        """Add what was started and write the file at once, so that a crash loses none."""
        self.processes.extend(processes)
        self.jobs.extend(jobs)
        self.write()

    def announce(self) -> None:
        """Write the file before anything is started, whose token it names.

        Whoever finds the session killed a moment later can end what it had started by then.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        self._write()

    def write(self) -> None:
        """Write the file, or remove it when it names nothing that is to be stopped or removed.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        if self.processes or self.jobs or self.files:
            self._write()
        else:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

    def _write(self) -> None:
        fields = {
            "session": self.session.to_dict(),
            "token": self.token,
            "host": self.host,
            "cluster_id": self.cluster_id,
            "keep": self.keep,
            "processes": [p.to_dict() for p in self.processes],
            "jobs": [asdict(j) for j in self.jobs],
            "files": self.files,
            "connection": self.connection,
            "namespace": self.namespace,
            "engines": self.engines,
            "elastic": self.elastic,
        }
        # The guard may read at any moment.
        replace_text(self.path, json.dumps(fields))

    def alive(self) -> list[ProcessRecord]:
        """Return the processes that still run on this machine."""
        return [p for p in self.processes if p.alive()] if self.here else []

    def stop(self, coming_up: bool = False, lock_seconds: float = 0.0) -> list[int]:
        """Stop the processes and jobs, remove the files, and forget what is gone.

        The record is the last to go: whoever does this may be killed at any moment, and the next
        one goes on from there.

        Parameters
        ----------
        coming_up : bool
            Whether the session knows that a connection file is its own which is not yet noted.
        lock_seconds : float
            How long to wait for the lock of the profile. The record stays if it is not free: it
            names files that cannot be removed before.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        if not self.here:
            return []
        was_there = self.path.exists()
        self.jobs, self.not_ended = end_all(self.jobs)
        left = stop_trees(self.processes + find_by_token(self.token))
        # One that was about to start others may have done so before it ended.
        left += stop_trees(find_by_token(self.token))
        self.processes = [p for p in self.processes if p.pid in left]
        if not self.processes:
            self._remove_files(coming_up, lock_seconds)
        if was_there and not left and not self.path.exists():
            return left  # a guard or the next session has done the same meanwhile, to its end
        if not left and not self.jobs and self.files:
            return left  # whoever holds the lock for these may remove the record at any moment
        with contextlib.suppress(OSError):
            self.write()
        return left

    def stop_from(self, first: int) -> list[int]:
        """Stop only the processes from this one on, in the order of their start.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        left = stop_trees(self.processes[first:])
        self.processes[first:] = [p for p in self.processes[first:] if p.pid in left]
        with contextlib.suppress(OSError):
            self.write()
        return left

    def _remove_files(self, coming_up: bool, lock_seconds: float) -> None:
        """Remove the files, and forget all but those that wait for the profile's lock."""
        folder = self.path.parent.parent
        # A record that was tampered with cannot reach outside these folders.
        parts = [(name, *name.partition("/")[::2]) for name in self.files]
        safe = [
            name
            for name, where, file in parts
            if where in ("log", "security") and "/" not in file and file not in ("", "..")
        ]
        # Logs and job scripts have names of their own; the others are the cluster's.
        shared = [name for name in safe if name.endswith(".json")]
        _unlink(folder, (name for name in safe if name not in shared))
        # The file that tells whose the others are is the first of them to go: what is left when
        # this process is killed meanwhile is known as ours by its absence.
        shared.sort(key=lambda name: not name.endswith("-client.json"))
        kept = []
        if coming_up:
            self.connection = "".join(fingerprint(folder / name) for name in shared[:1])
        if any((folder / name).exists() for name in shared):
            # Who holds the lock instead is starting a cluster, and removes or replaces such files.
            with profile_lock_if_free(folder, lock_seconds) as locked:
                if self._has_connection(folder, shared):
                    if locked or self.cluster_id != "":
                        _unlink(folder, shared)
                    else:
                        kept = shared
        if not self.jobs:
            self.files = kept

    def _has_connection(self, folder: Path, names: list[str]) -> bool:
        """Whether the connection file is this record's, and not that of another controller."""
        # A controller that ends in good order has removed it; nobody else has another then.
        clients = [name for name in names if name.endswith("-client.json")]
        return any(fingerprint(folder / name) in ("", self.connection) for name in clients)


def _unlink(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def fingerprint(file: Path) -> str:
    """Return what tells a connection file from all others, empty if it is not there."""
    import hashlib  # it loads OpenSSL, and guards seldom need it

    try:
        return hashlib.blake2b(read_bytes(file), digest_size=16).hexdigest()
    except OSError:
        return ""


def session_name() -> str:
    """Return a new name for this process that no session has had, on any host or in any container.

    Hosts that share a home may give the same process id at the same moment, as may containers of
    one machine, whose hosts' names may be equal as well.
    """
    host = re.sub(r"[^A-Za-z0-9.]", "", socket.gethostname())[:HOST_CHARACTERS]
    return f"{host}-{os.getpid()}-{os.urandom(4).hex()}"


def read(path: Path) -> SessionRecord | None:
    """Return the record in a file, None if there is none that can be read."""
    try:
        fields = read_json(path, links=False)
        return SessionRecord(
            path,
            ProcessRecord.from_dict(fields["session"]),
            str(fields["token"]),
            str(fields["host"]),
            str(fields["cluster_id"]),
            [ProcessRecord.from_dict(p) for p in fields["processes"]],
            [JobRecord.from_dict(j) for j in fields["jobs"]],
            [str(name) for name in fields["files"]],
            dict(fields["engines"]),
            str(fields.get("connection", "")),
            str(fields.get("namespace", pid_namespace())),
            bool(fields["keep"]),
            dict(fields.get("elastic", {})),
        )
    except UnusableFile as e:
        _tell_once(path, f"{e}. Remove it.")
    except (OSError, OverflowError):
        pass  # it has just been removed
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        _tell_once(path, f"{path} is damaged and left out ({type(e).__name__}: {e}). Remove it.")
    return None


def _tell_once(path: Path, text: str) -> None:
    """Log a warning; once for each file, since records are read every second by a window."""
    if (str(path), text) not in _told_of:
        _told_of.add((str(path), text))
        logger.warning("%s", text)


def read_all(profile_folder: Path) -> list[SessionRecord]:
    """Return the records of all sessions of a profile, in no particular order."""
    paths = list_files(profile_folder / "pid", "parallelflow-*.json")
    return [record for record in map(read, paths) if record is not None]


def stop_abandoned(profile_folder: Path) -> list[int]:
    """Stop what killed sessions have started on a profile and did not leave running.

    Their guards do so as well, unless they were killed, too, or the machine has just
    been started again. Records of what was left running and has ended are removed.

    Returns
    -------
    list of int
        The pids that run in spite of all.
    """
    left = []
    _remove_unfinished(profile_folder)
    for found in read_all(profile_folder):
        # Since it was read, its session may have noted that all is to go on running, and ended: the
        # record of a session that is seen to have ended says which.
        record = read(found.path) if found.abandoned else found
        if record is None:
            continue
        ended = record.here and record.keep and not record.alive() and not record.jobs
        if record.abandoned or ended:
            left += record.stop()
            for line in record.not_ended:
                logger.warning("%s", line)
    return left


def _remove_unfinished(profile_folder: Path) -> None:
    """Remove what sessions have left that were killed while they wrote their record."""
    for path in list_files(profile_folder / "pid", "parallelflow-*.new"):
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > UNFINISHED_SECONDS:
                path.unlink()
