"""What runs: processes, clusters, and the profiles that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from .states import Origin

__all__ = ["ProfileInfo", "RunningCluster", "RunningProcess"]


@dataclass(frozen=True)
class RunningProcess:
    """A controller or engine, or a launcher's own process or job, that runs.

    Attributes
    ----------
    kind : str
        ``controller``, ``engine``, ``launcher`` (such as mpiexec) or ``job``.
    pid : int or None
        Its process id on `host`; None for a job.
    host : str
        The machine.
    origin : Origin
        Who started it.
    since : float
        When, seconds since the epoch.
    text : str
        What the user reads of it, such as ``engine 3`` or ``job 4711 (slurm)``.
    """

    kind: str
    pid: int | None
    host: str
    origin: Origin
    since: float
    text: str


@dataclass(frozen=True)
class RunningCluster:
    """A cluster of a profile whose controller answers.

    Attributes
    ----------
    cluster_id : str
        Empty for the profile's default cluster.
    origin : Origin
        Who started its controller.
    host : str
        The address that clients connect to.
    pid : int or None
        The controller's process on this machine, None if it is not known or elsewhere.
    """

    cluster_id: str
    origin: Origin
    host: str
    pid: int | None = None


@dataclass(frozen=True)
class ProfileInfo:
    """An IPython profile.

    Attributes
    ----------
    name : str
        Its name.
    folder : str
        Its folder; need not exist yet for ``default``.
    current : bool
        Whether it is the manager's.
    configured : bool
        Whether it has configuration files for clusters (``ipcluster_config.py`` or another).
    clusters : tuple of RunningCluster
        Those that run now.
    """

    name: str
    folder: str
    current: bool
    configured: bool
    clusters: tuple[RunningCluster, ...] = ()

    @property
    def running(self) -> bool:
        """Whether a cluster runs."""
        return bool(self.clusters)
