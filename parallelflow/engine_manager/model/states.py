"""Where the manager stands with its cluster, and who started a process."""

from __future__ import annotations

import enum

__all__ = ["Origin", "State"]


class State(enum.Enum):
    """Where the manager stands with its cluster."""

    NO_CLUSTER = "no cluster"
    CONNECTING = "connecting"
    CONTROLLER = "controller only"
    ENGINES = "engines"
    LOST = "lost"  # there was one, and it went away without our doing


class Origin(enum.Enum):
    """Who started a process, as the user is told it."""

    THIS_SESSION = "started here"
    DETACHED = "left running"
    OTHER_SESSION = "started by another session of Parallel Flow"
    EXTERNAL = "started elsewhere"

    @property
    def ours_to_stop(self) -> bool:
        """Whether a cleanup may stop it: this session's own, or nobody's any more."""
        return self in (Origin.THIS_SESSION, Origin.DETACHED)
