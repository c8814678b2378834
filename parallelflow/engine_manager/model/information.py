"""What is known of a cluster at one moment, as a window or a terminal shows it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parallelflow.progress import Snapshot

from ..model import Origin, State

__all__ = ["ClusterInfo", "ControllerInfo", "EngineInfo"]


@dataclass(frozen=True)
class ControllerInfo:
    """The controller that the session is connected to.

    Attributes
    ----------
    origin : Origin
        Who started it.
    cluster_id : str
        Empty for the profile's default cluster.
    address : str
        ``host:port`` that clients connect to.
    host : str
        The machine that it runs on, as its connection file names it.
    pid : int or None
        Its process on this machine, None if it is not known or elsewhere.
    encrypted : bool
        Whether its connections are encrypted (CurveZMQ).
    beyond_this_machine : bool
        Whether it listens on an address that other machines can reach.
    """

    origin: Origin
    cluster_id: str
    address: str
    host: str
    pid: int | None
    encrypted: bool
    beyond_this_machine: bool


@dataclass(frozen=True)
class EngineInfo:
    """One engine. What is not known (yet, or from here) is None.

    Attributes
    ----------
    id : int
        Its id in the cluster.
    host, system : str or None
        Its machine and operating system.
    pid : int or None
        Its process id there.
    origin : Origin or None
        Who started it; None until it has told its facts.
    busy : bool or None
        Whether it works at a task.
    tasks_done, tasks_waiting : int or None
        Tasks finished since it registered; tasks sent to it that have not begun.
    cpu_percent : float or None
        Share of one core since the last look, 0 to 100 and above for several threads; this
        machine only.
    memory_bytes : int or None
        Resident memory of its process alone; this machine only.
    python, ipyparallel, parallelflow, vistrails : str or None
        Versions; an empty string if the package is not there.
    """

    id: int
    origin: Origin | None = None
    host: str | None = None
    system: str | None = None
    pid: int | None = None
    busy: bool | None = None
    tasks_done: int | None = None
    tasks_waiting: int | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    python: str | None = None
    ipyparallel: str | None = None
    parallelflow: str | None = None
    vistrails: str | None = None


VERSIONS = ("python", "ipyparallel", "parallelflow", "vistrails")
"""The fields of `EngineInfo` that are versions."""


@dataclass(frozen=True)
class ClusterInfo:
    """What is known of the session's cluster.

    Attributes
    ----------
    profile : str
        The IPython profile.
    state : State
        Where the manager stands with its cluster.
    controller : ControllerInfo or None
        None if there is no connection.
    engines : tuple of EngineInfo
        By host, then by id.
    versions : dict of str to str
        This session's own versions, by the names of `VERSIONS`.
    runs : tuple of Snapshot
        This session's runs under way (see `parallelflow.progress`).
    answered : bool
        Whether the hub told of its queues in time; if not, what depends on them is None.
    jobs : tuple of str
        What batch systems say of the jobs that sessions on this machine have submitted for the
        profile, such as ``job 17 (slurm) queued: Resources``; without those that have ended.
    elastic : str
        Between how many engines the cluster adapts itself to its work, such as ``0 to 64 engines by
        slurm``; empty if it does not.
    warnings : tuple of str
        What the user should know, one sentence each: a connection file that others can read,
        a controller that other machines can reach, or that has failed in part.
    """

    profile: str
    state: State
    controller: ControllerInfo | None = None
    engines: tuple[EngineInfo, ...] = ()
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    runs: tuple[Snapshot, ...] = ()
    answered: bool = True
    warnings: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    elastic: str = ""

    @property
    def connected(self) -> bool:
        """Whether there is a connection to a controller."""
        return self.controller is not None

    def started(self, origin: Origin) -> int:
        """Return the number of engines of an origin."""
        return sum(engine.origin is origin for engine in self.engines)

    def differing(self) -> tuple[str, ...]:
        """Return the names of the versions in which engines differ from this session."""
        return tuple(
            name
            for name in VERSIONS
            if any(
                getattr(engine, name) not in (None, self.versions.get(name))
                for engine in self.engines
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it; enumerations by what the user reads."""
        return {**_plain(self), "connected": self.connected}

    def to_text(self) -> str:
        """Return everything as text, the engines as a table."""
        return "\n".join([*self._head(), *self._table(), *self._runs(), *self.warnings])

    def _head(self) -> list[str]:
        lines = [f"profile      {self.profile}", f"state        {self.state.value}"]
        if self.controller is not None:
            c = self.controller
            pid = "" if c.pid is None else f", pid {c.pid}"
            how = "encrypted" if c.encrypted else "not encrypted"
            lines.append(f"controller   {c.address} on {c.host}{pid}, {how}; {c.origin.value}")
        counts = [f"{self.started(origin)} {origin.value}" for origin in Origin]
        told = ", ".join(count for count in counts if not count.startswith("0 "))
        lines.append(f"engines      {len(self.engines)}{f' ({told})' if told else ''}")
        if self.elastic:
            lines.append(f"elastic      {self.elastic}")
        lines += [f"{'jobs' if i == 0 else '':13}{job}" for i, job in enumerate(self.jobs)]
        return lines

    def _table(self) -> list[str]:
        if not self.engines:
            return []
        differing = self.differing()
        titles = ["host", "id", "pid", "system", "started", "state", "done", "waiting"]
        rows = [[*titles, "cpu", "memory", *differing]]
        for e in self.engines:
            started = e.origin.value.removeprefix("started ") if e.origin else None
            row = [e.host, e.id, e.pid, e.system, started, _busy(e.busy)]
            row += [e.tasks_done, e.tasks_waiting]
            row += [_percent(e.cpu_percent), _megabytes(e.memory_bytes)]
            row += [getattr(e, name) for name in differing]
            rows.append(["?" if value is None else str(value) for value in row])
        return ["", *aligned(rows), ""]

    def _runs(self) -> list[str]:
        return [
            f"{run.label}: {run.done + run.failed} of {run.total} elements, {run.state.value}"
            for run in self.runs
        ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines, its columns as wide as they have to be."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _busy(busy: bool | None) -> str | None:
    return None if busy is None else "busy" if busy else "idle"


def _percent(percent: float | None) -> str | None:
    return None if percent is None else f"{percent:.0f} %"


def _megabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 2**20:.0f} MB"


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
