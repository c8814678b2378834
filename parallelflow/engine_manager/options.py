"""What the manager uses, and what it starts where there is nothing to use."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRIVATE_CLUSTER_PREFIX", "ClusterOptions"]

PRIVATE_CLUSTER_PREFIX = "parallelflow-run-"
"""How the ids of private clusters begin: other sessions do not connect to them."""


@dataclass
class ClusterOptions:
    """Options of a manager; they may be changed at any time.

    Attributes
    ----------
    profile : str
        The IPython profile.
    engines_wanted : int or None
        The configured number of engines, None for one per core.
    launcher : str or None
        The configured launcher, None for the profile's own.
    private : bool
        Whether a cluster that is started is hidden from other sessions.
    """

    profile: str = "default"
    engines_wanted: int | None = None
    launcher: str | None = None
    private: bool = False

    def launcher_name(self, launcher: str | None = None) -> str | None:
        """Return a launcher's name as ipyparallel has it, None for the profile's own.

        Parameters
        ----------
        launcher : str, optional
            The name as the user gave it; the configured one if not given.
        """
        return (launcher or self.launcher or "").strip().lower() or None
