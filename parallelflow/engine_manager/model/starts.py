"""A start of engines: how far it has come, and by which launcher it can be done."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["EngineStart", "LaunchPreview", "LauncherChoice", "Stage", "StartSnapshot"]


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
    jobs : tuple of str
        A line for each batch job of the start, such as ``job 17 (slurm) queued: Resources``.
    """

    profile: str
    launcher: str
    controller: Stage | None
    engines: tuple[EngineStart, ...]
    jobs: tuple[str, ...] = ()

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
