"""What a cleanup or a shutdown would stop, for the question that is asked before it."""

from __future__ import annotations

from dataclasses import dataclass

from .clusters import RunningProcess
from .states import Origin

__all__ = ["Inventory", "ShutdownPlan"]


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
