"""Gather what is known of the cluster, without touching its engines."""

from __future__ import annotations

import functools
import platform
import socket
import threading
from typing import TYPE_CHECKING

import psutil

import parallelflow

from .connection import hub
from .model.information import VERSIONS, ClusterInfo, ControllerInfo, EngineInfo
from .system import profiles
from .system.origins import Origins

if TYPE_CHECKING:
    from .cluster import ManagerCore
    from .connection.cluster_connection import Link

__all__ = ["Gatherer"]

# A hub answers within milliseconds, also while engines are busy; a window looks each second.
QUEUE_SECONDS = 0.5


class Gatherer:
    """Remembers the processes looked at, since a share of CPU is one between two looks."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        self._queues = hub.QueueQuestion()
        self._lock = threading.Lock()

    def gather(self, manager: ManagerCore) -> ClusterInfo:
        """Return what is known now; one thread after the other.

        Parameters
        ----------
        manager : EngineManager
            Whose cluster; its lock is not needed.
        """
        with self._lock:
            return self._gather(manager)

    def _gather(self, manager: ManagerCore) -> ClusterInfo:
        link = manager._link
        runs = manager.runs()
        versions = own_versions()
        if link is None:
            return ClusterInfo(manager.profile, manager.state, versions=versions, runs=runs)
        origins = Origins(manager)
        queues = self._queues.ask(link.client, QUEUE_SECONDS)
        engines = [self._engine(link, e, origins, (queues or {}).get(e)) for e in link.ids]
        engines.sort(key=lambda e: (e.host or "", e.id))
        self._forget({e.pid for e in engines if e.pid is not None})
        return ClusterInfo(
            manager.profile,
            manager.state,
            controller(link, origins),
            tuple(engines),
            versions,
            runs,
            queues is not None,
            (*profiles.open_to_change(manager.profile), *_warnings(link)),
        )

    def _engine(
        self, link: Link, engine: int, origins: Origins, queue: dict[str, int] | None
    ) -> EngineInfo:
        facts = link.facts.get(engine)
        pending = done = None
        if queue is not None:
            # Our own question is nobody's work: it waits, or it is done.
            pending = max(queue["queue"] + queue["tasks"] - link.unanswered(engine), 0)
            done = max(queue["completed"] - link.answers[engine], 0)
        process = link.processes.get(engine)
        cpu, memory = self._usage(process.pid) if process is not None else (None, None)
        return EngineInfo(
            id=engine,
            origin=origins.of_engine(facts) if facts else None,
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
    import ipyparallel

    from parallelflow.errors import VistrailsNotFound
    from parallelflow.host import find_vistrails

    try:
        vistrails = find_vistrails().version
    except VistrailsNotFound:
        vistrails = ""
    told = (platform.python_version(), ipyparallel.__version__, parallelflow.version, vistrails)
    return dict(zip(VERSIONS, told, strict=True))


def controller(link: Link, origins: Origins) -> ControllerInfo:
    """Return what is known of the controller of a connection."""
    connection = link.connection
    return ControllerInfo(
        origin=origins.of_controller(link.controller, connection.cluster_id),
        cluster_id=connection.cluster_id,
        address=f"{connection.host}:{connection.port}",
        host=connection.location or socket.gethostname(),
        pid=link.controller.pid if link.controller else None,
        encrypted=connection.encrypted,
        beyond_this_machine=connection.beyond_this_machine,
    )


def _warnings(link: Link) -> list[str]:
    found = []
    connection = link.connection
    if link.fault:
        found.append(f"The controller has failed: {link.fault}. Nothing can run on its engines.")
    for text in link.impairments():
        found.append(f"The controller is impaired: {text}. Start a new cluster for that.")
    for path in connection.open_to_others():
        found.append(
            f"Other users can read the connection file {path}, and so run programs as you. "
            f"Make it private: chmod 600 {path}"
        )
    if connection.beyond_this_machine:
        found.append(
            f"The controller listens on {connection.interface}: whoever reaches it and has its "
            "connection file can run programs as you"
            + ("." if connection.encrypted else ", and what it sends can be read on the way.")
        )
    return found
