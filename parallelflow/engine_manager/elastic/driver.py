"""Single engines of a launcher: asked for, looked at, given back."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..cluster import Cluster
from ..system.batch_systems import JobState, JobStatus
from ..system.job_watch import JobWatch

if TYPE_CHECKING:
    from ..connection.cluster_connection import ClusterConnection
    from ..launch.engine_set import EngineSet

__all__ = ["Driver", "LauncherDriver", "Leased"]


@dataclass(eq=False)
class Leased:
    """One engine that was asked for.

    Attributes
    ----------
    name : str
        The name by which the engine itself knows it.
    engines : EngineSet
        Its job or process.
    asked_at : float
        On the monotonic clock.
    """

    name: str
    engines: EngineSet
    asked_at: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        """What the user reads of it."""
        jobs = [job.text for job in self.engines.jobs]
        return ", ".join(jobs) or "an engine"


class Driver(Protocol):
    """What the scaler needs of a way to start engines. Calls may take seconds."""

    def ask(self) -> Leased:
        """Ask for one engine."""

    def look(self, leases: Collection[Leased]) -> dict[str, JobStatus]:
        """Return where engines stand, by the leases' names; without those not known yet."""

    def end(self, leases: Collection[Leased]) -> None:
        """Give engines back."""


class LauncherDriver:
    """Every launcher of ipyparallel: one job, or one process, for each engine.

    Parameters
    ----------
    cluster : Cluster
        Where the engines join.
    connection : ClusterConnection
        The connection to it: nothing is started for another one.
    launcher : str
        The launcher's short name.
    """

    def __init__(self, cluster: Cluster, connection: ClusterConnection, launcher: str) -> None:
        self._cluster = cluster
        self._connection = connection
        self._launcher = launcher
        self._jobs = JobWatch()

    def ask(self) -> Leased:
        """Ask for one engine.

        Raises
        ------
        ClusterError
            If the launcher fails, or the cluster is not the session's any more.
        """
        with self._cluster.lock:
            self._cluster.check_connected(self._connection)
            session = self._cluster.begin_session()
            session.launch.check_launcher(self._launcher, 1)
            engines = session.launch.start_engines(1, self._launcher)
            session.add_engines(engines)
        return Leased(engines.name, engines)

    def look(self, leases: Collection[Leased]) -> dict[str, JobStatus]:
        """Return where engines stand; what batch systems say is asked for in a thread."""
        found = {}
        states = self._jobs.states([job for lease in leases for job in lease.engines.jobs])
        for lease in leases:
            jobs = [states[job] for job in lease.engines.jobs if job in states]
            if jobs:
                found[lease.name] = jobs[0]
            elif not lease.engines.jobs:
                alive = any(process.alive() for process in lease.engines.processes)
                found[lease.name] = JobStatus(JobState.RUNNING if alive else JobState.ENDED)
        return found

    def end(self, leases: Collection[Leased]) -> None:
        """Give engines back: delete their jobs, stop their processes."""
        with self._cluster.lock:
            session = self._cluster.session
            if session is not None:
                session.end_sets([lease.engines for lease in leases])
