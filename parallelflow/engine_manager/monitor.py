"""Gather what is known of the cluster, without touching its engines."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import platform
import runpy
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

import parallelflow

from .connection import hub
from .model import Inventory, Limits
from .model.information import VERSIONS, ClusterInfo, ControllerInfo, EngineInfo
from .system import profiles
from .system.batch_systems import JobState
from .system.job_watch import JobWatch, ask_jobs
from .system.origins import Origins

if TYPE_CHECKING:
    from .cluster import Cluster
    from .connection.cluster_connection import ClusterConnection
    from .runs import RunsUnderWay

__all__ = ["ClusterInspector"]

# A hub answers within milliseconds, also while engines are busy; a window looks each second.
QUEUE_SECONDS = 0.5


class ClusterInspector:
    """Finds out what is known of a cluster, and what runs.

    It remembers the processes looked at, since a share of CPU is one between two looks.

    Parameters
    ----------
    cluster : Cluster
        The cluster.
    runs : RunsUnderWay
        The runs of this session.
    limits : callable
        Returns between how many engines the cluster adapts itself, None if it does not.
    """

    def __init__(
        self, cluster: Cluster, runs: RunsUnderWay, limits: Callable[[], Limits | None]
    ) -> None:
        self._cluster = cluster
        self._runs = runs
        self._limits = limits
        self._processes: dict[int, psutil.Process] = {}
        self._queues = hub.QueueQuestion()
        self._jobs = JobWatch()
        self._lock = threading.Lock()

    def inspect(self) -> ClusterInfo:
        """Return what is known now, without the cluster's lock; one thread after the other."""
        with self._lock:
            return self._inspect()

    def inventory(self) -> Inventory:
        """Return what runs of the profile that Parallel Flow has started, and who did."""
        origins = self._origins()
        states = ask_jobs(job for record in origins.records for job in record.jobs)
        ended = [job for job, status in states.items() if status.state is JobState.ENDED]
        processes = tuple(origins.running(without=ended))
        return Inventory(self._cluster.profile, processes, len(self._runs))

    def _origins(self) -> Origins:
        return Origins(self._cluster.folder, self._cluster.tokens())

    def _inspect(self) -> ClusterInfo:
        cluster, runs = self._cluster, self._runs.snapshots()
        connection = cluster.connection
        versions = own_versions()
        if connection is None:
            jobs = self._job_lines(self._origins())
            return ClusterInfo(
                cluster.profile, cluster.state, versions=versions, runs=runs, jobs=jobs
            )
        origins = self._origins()
        limits = self._limits()
        queues = self._queues.ask(connection.client, QUEUE_SECONDS)
        engines = [
            self._engine(connection, e, origins, (queues or {}).get(e)) for e in connection.ids
        ]
        engines.sort(key=lambda e: (e.host or "", e.id))
        self._forget({e.pid for e in engines if e.pid is not None})
        return ClusterInfo(
            cluster.profile,
            cluster.state,
            controller(connection, origins),
            tuple(engines),
            versions,
            runs,
            queues is not None,
            (*profiles.open_to_change(cluster.profile), *_warnings(connection)),
            self._job_lines(origins),
            limits.text if limits is not None else "",
        )

    def _job_lines(self, origins: Origins) -> tuple[str, ...]:
        """Return what batch systems have said last of the profile's jobs; nothing waits."""
        jobs = [job for record in origins.records if record.here for job in record.jobs]
        states = self._jobs.states(jobs)
        return tuple(
            f"{job.text} {status.text}"
            for job, status in states.items()
            if status.state is not JobState.ENDED
        )

    def _engine(
        self,
        connection: ClusterConnection,
        engine: int,
        origins: Origins,
        queue: dict[str, int] | None,
    ) -> EngineInfo:
        facts = connection.facts.get(engine)
        pending = done = None
        if queue is not None:
            # Our own question is nobody's work: it waits, or it is done.
            pending = max(queue["queue"] + queue["tasks"] - connection.unanswered(engine), 0)
            done = max(queue["completed"] - connection.answers[engine], 0)
        process = connection.processes.get(engine)
        cpu, memory = self._usage(process.pid) if process is not None else (None, None)
        return EngineInfo(
            id=engine,
            origin=origins.of_engine(facts.token) if facts else None,
            host=facts.host if facts else None,
            system=facts.system if facts else None,
            pid=facts.pid if facts else None,
            busy=None if pending is None else pending > 0,
            tasks_done=done,
            tasks_waiting=None if pending is None else max(pending - 1, 0),
            cpu_percent=cpu,
            memory_bytes=memory,
            **{name: getattr(facts, name) if facts else None for name in VERSIONS},
        )

    def _usage(self, pid: int) -> tuple[float | None, int | None]:
        try:
            process = self._processes.get(pid)
            if process is None or not process.is_running():
                process = self._processes[pid] = psutil.Process(pid)
                process.cpu_percent()
            memory = process.memory_info().rss
            return process.cpu_percent(), memory
        except psutil.Error:
            self._processes.pop(pid, None)
            return None, None

    def _forget(self, present: set[int]) -> None:
        for pid in set(self._processes) - present:
            self._processes.pop(pid, None)


@functools.cache
def own_versions() -> dict[str, str]:
    """Return this session's versions, by the names of `information.VERSIONS`."""
    from parallelflow.errors import VistrailsNotFound
    from parallelflow.host import find_vistrails

    try:
        vistrails = find_vistrails().version
    except VistrailsNotFound:
        vistrails = ""
    told = (platform.python_version(), _ipyparallel_version(), parallelflow.version, vistrails)
    return dict(zip(VERSIONS, told, strict=True))


def _ipyparallel_version() -> str:
    """Return its version, which a file of its own has: to load all of it takes 0.1 s."""
    if "ipyparallel" not in sys.modules:
        with contextlib.suppress(Exception):
            found = importlib.util.find_spec("ipyparallel")
            file = Path(found.origin).with_name("_version.py")  # type: ignore[union-attr, arg-type]
            return str(runpy.run_path(str(file))["__version__"])
    import ipyparallel

    return str(ipyparallel.__version__)


def controller(connection: ClusterConnection, origins: Origins) -> ControllerInfo:
    """Return what is known of the controller of a connection."""
    file = connection.file
    return ControllerInfo(
        origin=origins.of_controller(connection.controller, file.cluster_id),
        cluster_id=file.cluster_id,
        address=f"{file.host}:{file.port}",
        host=file.location or socket.gethostname(),
        pid=connection.controller.pid if connection.controller else None,
        encrypted=file.encrypted,
        beyond_this_machine=file.beyond_this_machine,
    )


def _warnings(connection: ClusterConnection) -> list[str]:
    found = []
    file = connection.file
    if connection.fault:
        found.append(
            f"The controller has failed: {connection.fault}. Nothing can run on its engines."
        )
    for text in connection.impairments():
        found.append(f"The controller is impaired: {text}. Start a new cluster for that.")
    for path in file.open_to_others():
        found.append(
            f"Other users can read the connection file {path}, and so run programs as you. "
            f"Make it private: chmod 600 {path}"
        )
    if file.beyond_this_machine:
        found.append(
            f"The controller listens on {file.interface}: whoever reaches it and has its "
            "connection file can run programs as you"
            + ("." if file.encrypted else ", and what it sends can be read on the way.")
        )
    return found
