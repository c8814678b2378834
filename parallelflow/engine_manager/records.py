"""What a session started, on disk beside the profile's own files.

One JSON file per session and cluster, ``pid/parallelflow-PID-N.json`` in the profile's
folder. The guard process reads it when the session ends, and a later session or another
terminal reads it to find, reuse or stop what was left running. Standard library and
psutil only.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import os
import socket
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .processes import ProcessRecord, born_here, marked, record_of, stop_trees

__all__ = [
    "JobRecord",
    "SessionRecord",
    "end_all",
    "fingerprint",
    "read",
    "read_all",
    "stop_abandoned",
]

# A batch system's delete command answers within a second or two; one that hangs must not
# keep the stopping of everything else.
JOB_SECONDS = 20.0

_numbers = itertools.count(1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobRecord:
    """Engines that a launcher started elsewhere: a batch job, or a process on another host.

    Attributes
    ----------
    kind : str
        ``job`` or ``engine``.
    text : str
        What the user reads of it, such as ``job 4711 (slurm)``.
    stop : tuple of str
        The command that ends it.
    created : float
        When it was started, seconds since the epoch.
    host : str
        Where it runs, or the batch system's name.
    """

    kind: str
    text: str
    stop: tuple[str, ...]
    created: float
    host: str = ""

    def end(self) -> tuple[bool, str]:
        """Run the command that ends it.

        Returns
        -------
        bool
            Whether it was run: the job has ended, or had before. Engines that lose their
            controller leave by themselves.
        str
            What the user should know if that has failed, else nothing.
        """
        try:
            subprocess.run(self.stop, timeout=JOB_SECONDS, capture_output=True, check=True)
        except subprocess.CalledProcessError as e:
            said = e.stderr.decode(errors="replace").strip() or f"exit code {e.returncode}"
            return True, f"{self.text} was not stopped, it may have ended already: {said}"
        except (OSError, subprocess.SubprocessError) as e:
            return False, f"{self.text} could not be stopped: {e}"
        return True, ""


def end_all(jobs: Sequence[JobRecord]) -> tuple[list[JobRecord], list[str]]:
    """End jobs, all at once; return those that may run on, and a line for each failure."""
    if not jobs:
        return [], []
    try:
        with ThreadPoolExecutor(len(jobs)) as pool:
            ends = list(pool.map(JobRecord.end, jobs))
    except RuntimeError:  # at the interpreter's end there are no new threads
        ends = [job.end() for job in jobs]
    left = [job for job, (ended, _) in zip(jobs, ends, strict=True) if not ended]
    return left, [line for _, line in ends if line]


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
        The mark of the processes (see `processes.MARK`).
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
    namespace: str = field(default_factory=lambda: _namespace())
    keep: bool = False
    not_ended: list[str] = field(default_factory=list)

    @classmethod
    def of_this_session(cls, profile_folder: Path, cluster_id: str = "") -> SessionRecord:
        """Return an empty record for this process, not yet written."""
        me = record_of(os.getpid(), "session")
        assert me is not None  # we are running
        number = next(_numbers)
        path = profile_folder / "pid" / f"parallelflow-{me.pid}-{number}.json"
        return cls(path, me, f"{me.pid}-{me.birth}-{number}", cluster_id=cluster_id)

    @property
    def here(self) -> bool:
        """Whether its processes run on this machine, also if its name has changed meanwhile."""
        born = born_here(self.session.birth)
        if born and self.namespace != _namespace():
            return False  # in another container
        return self.host == socket.gethostname() or born is True

    @property
    def abandoned(self) -> bool:
        """Whether its session has ended without stopping or leaving what it had started."""
        return self.here and not self.keep and not self.session.alive()

    def add(self, processes: Iterable[ProcessRecord] = (), jobs: Iterable[JobRecord] = ()) -> None:
        """Add what was started and write the file at once, so that a crash loses none."""
        self.processes.extend(processes)
        self.jobs.extend(jobs)
        self.write()

    def write(self) -> None:
        """Write the file, or remove it when there is nothing to tell.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        if not self.processes and not self.jobs:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
            return
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
        }
        new = self.path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(json.dumps(fields))
        # The guard may read at any moment: it sees the old file or the new one, whole.
        new.replace(self.path)

    def alive(self) -> list[ProcessRecord]:
        """Return the processes that still run on this machine."""
        return [p for p in self.processes if p.alive()] if self.here else []

    def stop(self) -> list[int]:
        """Stop the processes and jobs, remove the files, and forget what is gone.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        if not self.here:
            return []
        self.jobs, self.not_ended = end_all(self.jobs)
        left = stop_trees(self.processes + marked(self.token))
        self._forget(0, left)
        if not self.processes:
            self._remove_files()
        return left

    def stop_from(self, first: int) -> list[int]:
        """Stop only the processes from this one on, in the order of their start.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        left = stop_trees(self.processes[first:])
        self._forget(first, left)
        return left

    def _forget(self, first: int, left: list[int]) -> None:
        """Forget the processes from one on, but for those that run in spite of all."""
        self.processes[first:] = [p for p in self.processes[first:] if p.pid in left]
        with contextlib.suppress(OSError):
            self.write()

    def _remove_files(self) -> None:
        folder = self.path.parent.parent
        clients = [name for name in self.files if name.endswith("-client.json")]
        # A controller that ends in good order has removed it; nobody else has another one then.
        ours = any(fingerprint(folder / name) in ("", self.connection) for name in clients)
        for name in self.files:
            # A record that was tampered with cannot reach outside these folders.
            where, _, file = name.partition("/")
            wanted = where == "log" or (where == "security" and ours)
            if wanted and "/" not in file and file not in ("", ".."):
                with contextlib.suppress(OSError):
                    (folder / where / file).unlink()
        self.files = []


def fingerprint(file: Path) -> str:
    """Return what tells a connection file from all others, empty if it is not there."""
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def read(path: Path) -> SessionRecord | None:
    """Return the record in a file, None if there is none that can be read."""
    try:
        fields = json.loads(path.read_text())
        return SessionRecord(
            path,
            ProcessRecord.from_dict(fields["session"]),
            str(fields["token"]),
            str(fields["host"]),
            str(fields["cluster_id"]),
            [ProcessRecord.from_dict(p) for p in fields["processes"]],
            [JobRecord(**{**j, "stop": tuple(j["stop"])}) for j in fields["jobs"]],
            [str(name) for name in fields["files"]],
            dict(fields["engines"]),
            str(fields.get("connection", "")),
            str(fields.get("namespace", _namespace())),
            bool(fields["keep"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_all(profile_folder: Path) -> list[SessionRecord]:
    """Return the records of all sessions of a profile, in no particular order."""
    paths = (profile_folder / "pid").glob("parallelflow-*.json")
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
    for record in read_all(profile_folder):
        ended = record.here and record.keep and not record.alive() and not record.jobs
        if record.abandoned or ended:
            left += record.stop()
            for line in record.not_ended:
                logger.warning("%s", line)
    return left
