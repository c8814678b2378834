"""What the engine manager tells: states, progress of a start, what runs and where it came from.

Plain immutable values, safe to keep and to hand to another thread. Standard library only.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = [
    "EngineStart",
    "Inventory",
    "LaunchPreview",
    "LauncherChoice",
    "Origin",
    "ProfileInfo",
    "RunningCluster",
    "RunningProcess",
    "ShutdownPlan",
    "Stage",
    "StartSnapshot",
    "State",
]


class State(enum.Enum):
    """Where the manager stands with its cluster."""

    NO_CLUSTER = "no cluster"
    CONNECTING = "connecting"
    CONTROLLER = "controller only"
    ENGINES = "engines"
    LOST = "lost"  # there was one, and it went away without our doing


class Origin(enum.Enum):
    """Who started a process, as the user is told it."""

    HERE = "started here"
    LEFT = "left running"
    ANOTHER = "started by another session of Parallel Flow"
    ELSEWHERE = "started elsewhere"

    @property
    def ours_to_stop(self) -> bool:
        """Whether a cleanup may stop it: this session's own, or nobody's any more."""
        return self in (Origin.HERE, Origin.LEFT)


# -- starting -------------------------------------------------------------------------


class Stage(enum.Enum):
    """How far one process of a start has come; in this order, but for the last."""

    WAITING = "waiting"
    STARTED = "process started"
    REGISTERED = "registered"
    READY = "VisTrails ready"
    FAILED = "failed"


@dataclass(frozen=True)
class EngineStart:
    """One engine of a start.

    Attributes
    ----------
    number : int
        Its number in this start, from 1.
    stage : Stage
        How far it has come.
    pid : int or None
        Its process id on its host, None while it is not known.
    engine : int or None
        Its id in the cluster, None before it has registered.
    host : str or None
        The machine that it runs on, None while it is not known.
    note : str
        One line worth telling: why it failed, or that it has no VisTrails; may be empty.
    """

    number: int
    stage: Stage = Stage.WAITING
    pid: int | None = None
    engine: int | None = None
    host: str | None = None
    note: str = ""


@dataclass(frozen=True)
class StartSnapshot:
    """How far a start has come.

    Attributes
    ----------
    profile : str
        The IPython profile.
    launcher : str
        Name of the launcher, such as ``local``.
    controller : Stage or None
        ``WAITING``, ``STARTED`` (connection files not there yet) or ``REGISTERED`` (connected);
        None if a running controller is used.
    engines : tuple of EngineStart
        One for each engine asked for, by number.
    """

    profile: str
    launcher: str
    controller: Stage | None
    engines: tuple[EngineStart, ...]

    def count(self, stage: Stage) -> int:
        """Return how many engines have come at least as far as a stage.

        For ``FAILED``: how many have failed.
        """
        if stage is Stage.FAILED:
            return sum(e.stage is Stage.FAILED for e in self.engines)
        order = list(Stage)
        reached = [order.index(e.stage) for e in self.engines if e.stage is not Stage.FAILED]
        return sum(position >= order.index(stage) for position in reached)


@dataclass(frozen=True)
class LauncherChoice:
    """A way to start engines that ipyparallel offers.

    Attributes
    ----------
    name : str
        What `EngineManager.start_engines` takes, such as ``local``, ``ssh`` or ``slurm``.
    title : str
        What the user reads.
    command : str
        The program it needs on this machine (``mpiexec``, ``sbatch``), empty if none.
    available : bool
        Whether that program is there.
    default : bool
        Whether it is the one that the profile's configuration chooses.
    """

    name: str
    title: str
    command: str
    available: bool
    default: bool


@dataclass(frozen=True)
class LaunchPreview:
    """What a launcher would run; nothing was started.

    Attributes
    ----------
    launcher : str
        The launcher's name.
    controller : str
        The command that starts the controller first, empty if one runs.
    command : str
        The command that starts the engines, or that submits the job; for ssh, one line
        for each host.
    script : str
        The job script that is submitted, empty for launchers without one.
    notes : tuple of str
        What the user should know before: a program that is missing, an address that other
        hosts cannot reach; one sentence each, often with the line to put into the
        profile's configuration.
    """

    launcher: str
    controller: str
    command: str
    script: str = ""
    notes: tuple[str, ...] = ()


# -- what runs ------------------------------------------------------------------------


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
class Inventory:
    """What runs on the profile, for the question that a cleanup asks.

    Attributes
    ----------
    profile : str
        The IPython profile.
    processes : tuple of RunningProcess
        Controllers first, then by host and pid.
    runs : int
        Runs of this session (a Map, a `parallel_map`) that are under way.
    """

    profile: str
    processes: tuple[RunningProcess, ...] = ()
    runs: int = 0

    def of(self, *origins: Origin) -> tuple[RunningProcess, ...]:
        """Return the processes of these origins."""
        return tuple(p for p in self.processes if p.origin in origins)

    def sentence(self, origin: Origin) -> str:
        """Return one sentence on the processes of an origin, empty if there are none."""
        found = self.of(origin)
        if not found:
            return ""
        kinds = [p.kind for p in found]
        parts = [
            f"{kinds.count(kind)} {kind}{'s' if kinds.count(kind) > 1 else ''}"
            for kind in dict.fromkeys(kinds)
        ]
        hosts = sorted({p.host for p in found})
        return f"{' and '.join(parts)} on {', '.join(hosts)}, {origin.value}."


@dataclass(frozen=True)
class ShutdownPlan:
    """What a shutdown of the whole cluster would end.

    Attributes
    ----------
    profile : str
        The IPython profile.
    engines : dict of str to int
        Number of engines by host; the key is ``unknown host`` where it is not known yet.
    tasks : int or None
        Tasks running or waiting, of all users of the cluster; None if the hub does not tell.
    elsewhere : bool
        Whether controller or engines were not started by this session.
    foreign : bool
        Whether some of them are another session's that still runs, or were not started by
        Parallel Flow.
    """

    profile: str
    engines: dict[str, int]
    tasks: int | None
    elsewhere: bool
    foreign: bool = False

    @property
    def total(self) -> int:
        """Number of engines on all hosts."""
        return sum(self.engines.values())


# -- profiles -------------------------------------------------------------------------


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
