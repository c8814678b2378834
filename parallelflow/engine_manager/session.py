"""What this session has started on one cluster, and its end."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from parallelflow.errors import ControllerFailed, ProfileUnusable
from parallelflow.system.safe_files import make_folder, open_lock

from .system.guard import Guard
from .system.jobs import end_all
from .system.process_trees import stop_trees
from .system.processes import TOKEN_VARIABLE, ProcessRecord
from .system.records import SessionRecord, fingerprint, read_all
from .system.resources import what_to_do

if TYPE_CHECKING:
    from .connection.cluster_connection import ClusterConnection
    from .launch.cluster_launcher import ClusterLauncher, EngineSet

__all__ = ["Session"]

# The logs of jobs that have failed: somebody may ask for them later, but not for ever.
KEPT_SECONDS = 7 * 24 * 3600.0
# The names of those that sessions of Parallel Flow have submitted: see `ClusterLauncher`.
JOB_LOG = re.compile(r"-\d{10}-\d+-\d+-\d+\.log$")

logger = logging.getLogger(__name__)

LIMITS = "Look at the limits of this machine and user (ulimit -a)."


class Session:
    """Record, guard and launchers of the processes that this session starts on a cluster.

    Parameters
    ----------
    folder : Path
        The profile's folder, with its subfolders.
    cluster_id : str
        The cluster's id, empty for the profile's default one.
    record : SessionRecord, optional
        That of a session which has left its processes running for this one.

    Attributes
    ----------
    record : SessionRecord
        What was started, as it stands on disk.
    launch : ClusterLauncher
        ipyparallel's side of it.
    guard : Guard
        Stops it all when this session ends in whatever way; another one if it was ended.
    """

    def __init__(self, folder: Path, cluster_id: str, record: SessionRecord | None = None) -> None:
        from .launch.cluster_launcher import ClusterLauncher

        self.folder = folder
        own = SessionRecord.of_this_session(folder, cluster_id)
        if record is not None:
            # What runs has its token, and the guard needs this process.
            own = dataclasses.replace(record, session=own.session, keep=False)
        self.record = own
        self._coming_up = False
        self._ended = False
        self._guard_lock = threading.Lock()
        try:
            self.launch: ClusterLauncher = ClusterLauncher(folder, cluster_id, self.record.token)
        except OSError as e:
            raise _refused(e) from e
        try:
            self.guard = self._start_guard()
            try:
                self.record.announce()
            except OSError as e:
                self.guard.release()
                raise ProfileUnusable(_cannot_be_written(folder, e)) from e
        except BaseException:
            self.launch.close()
            raise

    def _start_guard(self) -> Guard:
        environment = {**os.environ, **self.launch.environment}
        # By the token it would be stopped with the rest, which it ignores: 2 s for every stop.
        environment.pop(TOKEN_VARIABLE, None)
        try:
            return Guard(self.record, environment)
        except OSError as e:
            raise _refused(e) from e

    def keep_guard(self) -> None:
        """Start another guard if something has ended the one there was."""
        with self._guard_lock:
            if self._ended:
                return
            if self.guard.process is None or not self.guard.process.alive():
                self.guard.release()
                self.guard = self._start_guard()

    @property
    def owns_controller(self) -> bool:
        """Whether the controller was started here."""
        kinds = [p.kind for p in self.record.processes] + [j.kind for j in self.record.jobs]
        return "controller" in kinds

    def expect_controller(self) -> None:
        """Note the files that the start of a controller makes, before it does."""
        self.record.files += [f"security/{path.name}" for path in self.launch.files]
        # The hub notes its engines there, to be restored by a controller that is told to.
        engines = f"log/engines{self.record.cluster_id}.json"
        self.record.files.append(engines)
        self._add([])
        self._coming_up = True  # also if the start ends before the launcher has told the process
        with contextlib.suppress(OSError):  # as the hub writes it, the umask would say who reads it
            make_folder((self.folder / engines).parent)
            open_lock(self.folder / engines).close()

    def add_controller(self, process: ProcessRecord | None) -> None:
        """Note the controller that was started."""
        self.record.jobs.extend(self.launch.controller_jobs)
        self.record.files += self.launch.logs()
        for path in self.launch.files:
            with contextlib.suppress(OSError):  # ipyparallel's own is written as the umask says
                path.chmod(0o600)
        self._add([process] if process else [])

    def note_connection(self) -> None:
        """Note the connection file that the controller has written, to know it again."""
        client = next(path for path in self.launch.files if path.name.endswith("-client.json"))
        self.record.connection = fingerprint(client)
        self._coming_up = False
        self._add([])

    def add_engines(self, engines: EngineSet) -> None:
        """Note a set of engines that was started."""
        self.record.jobs.extend(engines.jobs)
        self.record.files += engines.logs()
        self._add(engines.processes)

    def keep_logs(self, engines: EngineSet) -> list[Path]:
        """Let the logs of a set's jobs stay when they are stopped; return those that there are."""
        engines.keeps_logs = True
        logs = engines.job_logs()
        names = {f"log/{path.name}" for path in logs}
        self.record.files = [name for name in self.record.files if name not in names]
        self._remove_old_logs()
        return [path for path in logs if path.exists() and path.stat().st_size]

    def _remove_old_logs(self) -> None:
        """Remove the logs of jobs that earlier starts have left for long enough."""
        used = {name for record in read_all(self.folder) for name in record.files}
        for path in (self.folder / "log").glob("*.log"):
            with contextlib.suppress(OSError):
                old = time.time() - path.stat().st_mtime > KEPT_SECONDS
                if old and JOB_LOG.search(path.name) and f"log/{path.name}" not in used:
                    path.unlink()

    def _add(self, processes: list[ProcessRecord]) -> None:
        try:
            self.record.add(processes)
        except OSError as e:
            raise ProfileUnusable(_cannot_be_written(self.folder, e)) from e

    def note_facts(self, link: ClusterConnection) -> None:
        """Write down what engines of this session have told, for other sessions."""
        told = {
            link.identity(engine): dataclasses.asdict(facts)
            for engine, facts in link.facts.copy().items()
            if facts.token == self.record.token
        }
        told.pop("", None)
        if told.keys() - self.record.engines.keys():
            self.record.engines |= told
            # Only a convenience: a full disk must not stop anything.
            with contextlib.suppress(OSError):
                self.record.write()

    def end_sets(self, sets: list[EngineSet]) -> None:
        """Stop sets of engines, and forget them."""
        jobs = [job for engines in sets for job in engines.jobs]
        processes = [process for engines in sets for process in engines.processes]
        running, lines = end_all(jobs)
        for line in lines:
            logger.debug("%s", line)
        left = stop_trees(processes)
        record = self.record
        record.jobs = [job for job in record.jobs if job not in jobs or job in running]
        record.processes = [p for p in record.processes if p not in processes or p.pid in left]
        names = {name for engines in sets for name in engines.logs()}
        for name in names:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()
        record.files = [name for name in record.files if name not in names]
        self._add([])

    def undo(self, first: int) -> None:
        """Stop what was started after the first so many processes; jobs are left alone."""
        self.record.stop_from(first)

    def stop(self) -> list[int]:
        """Stop everything that this session started on the cluster; bounded.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        left = self.stop_processes()
        self.launch.forget()
        self._end(stopped=not left)
        return left

    def stop_processes(self) -> list[int]:
        """Stop what runs and remove its files; the session goes on.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        self.launch.leave_cluster_file()
        return self.record.stop(coming_up=self._coming_up)

    def leave(self) -> None:
        """Leave everything running when this session ends.

        Raises
        ------
        ProfileUnusable
            If the record cannot be written: the guard would stop it all.
        """
        self.record.keep = True
        try:
            self.record.write()
        except OSError as e:
            self.record.keep = False
            raise ProfileUnusable(
                f"The processes cannot be left running, since {self.record.path} cannot be "
                f"written: {e}. Free some space or correct its permissions."
            ) from e
        self._end()

    def _end(self, stopped: bool = False) -> None:
        with contextlib.suppress(Exception):
            self.launch.close()
        with self._guard_lock:  # the watch over the cluster must not start another one now
            self._ended = True
            self.guard.release(stopped)


def _refused(error: OSError) -> ControllerFailed:
    return ControllerFailed(f"Nothing can be started here: {error}. {what_to_do(error, LIMITS)}")


def _cannot_be_written(folder: Path, error: OSError) -> str:
    return (
        f"The folder of the profile {folder.name.removeprefix('profile_')!r} cannot be written: "
        f"{error}. Free some space or correct its permissions; what had started is stopped."
    )
