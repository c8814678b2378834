"""How many engines one cluster, and this machine's memory, can take."""

from __future__ import annotations

from pathlib import Path

from parallelflow.errors import TooManyEngines
from parallelflow.system.memory import free_memory

from .controller_options import read_config

__all__ = ["ENGINE_BYTES", "MOST", "check_memory", "check_number", "room"]

MOST = 4096
"""More on one cluster is more than its hub and its heartbeat are made for."""

# What no other process shares (measured, Linux): 55 MB for an engine on which VisTrails' core has
# started, 25 MB for its nanny. Packages, libraries and data of elements come on top of it.
ENGINE_BYTES = 80_000_000


def room() -> int:
    """Return how many more engines fit into this machine's memory, libraries and data aside."""
    return free_memory(swap=True) // ENGINE_BYTES


def check_memory(n: int) -> None:
    """Raise unless n engines fit into this machine's memory.

    Raises
    ------
    TooManyEngines
        With what an engine needs, and what there is.
    """
    fit = room()
    # One is always tried: it may be that little else is needed.
    if n > max(fit, 1):
        raise TooManyEngines(
            f"{n} engines do not fit into this machine's memory: an engine needs "
            f"{ENGINE_BYTES / 1e6:.0f} MB and more, and {fit * ENGINE_BYTES / 1e9:.1f} GB are "
            f"free, enough for {fit}. Start fewer, or end other programs."
        )


def check_number(n: int, launcher: str | None, profile_folder: Path) -> None:
    """Raise unless a launcher can start n engines, as far as is known before anything is started.

    Parameters
    ----------
    n : int
        How many.
    launcher : str or None
        Its short name; None for the profile's own.
    profile_folder : Path
        The profile's folder; need not exist.

    Raises
    ------
    TooManyEngines
        If one cluster cannot take as many, or the launcher starts them on this machine and its
        memory cannot.
    ConfigurationFailed
        If the profile's ``ipcluster_config.py`` cannot be read.
    """
    if n > MOST:
        raise TooManyEngines(
            f"{n} engines are more than one cluster can have: at most {MOST}. Start fewer."
        )
    if n <= room():
        return  # the usual case: what the profile says need not be read
    if launcher is None:
        said = read_config(profile_folder, "ipcluster_config").Cluster.get("engine_launcher_class")
        launcher = str(said or "local").lower()
    if launcher in ("local", "localenginesetlauncher"):
        check_memory(n)
