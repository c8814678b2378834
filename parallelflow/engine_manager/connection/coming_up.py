"""Whether a cluster was started a moment ago, so that more of its engines will join."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from parallelflow.system.waiting import wait_until

from ..system.records import read_all

if TYPE_CHECKING:
    from .cluster_connection import ClusterConnection

__all__ = ["is_coming_up", "wait_for_coming_up"]

# ``ipcluster start`` waits 1 s for engines after its controller's files are there, which a busy
# machine may take long for; engines may take long to load.
ENGINES_BEGIN_SECONDS = 3.0
ENGINES_JOIN_SECONDS = 30.0


def is_coming_up(cluster: ClusterConnection, profile_folder: Path) -> bool:
    """Return True if a cluster lives and engines that were just started have not all joined.

    Parameters
    ----------
    cluster : ClusterConnection
        The connection to it.
    profile_folder : Path
        The folder of its profile, where sessions record what they start.
    """
    controller = cluster.controller
    if controller is None or not cluster.alive():
        return False
    if _recorded_engines_come(cluster, profile_folder):
        return True
    age = time.time() - max(controller.created, _written(cluster.file.path))
    announced = cluster.file.announced_engines()
    if announced == 0:
        return not cluster.ids and age < ENGINES_BEGIN_SECONDS
    return len(cluster.ids) < announced and age < ENGINES_JOIN_SECONDS


def _written(path: Path) -> float:
    """Return when a file was written, in seconds since 1970; 0 if it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _recorded_engines_come(cluster: ClusterConnection, profile_folder: Path) -> bool:
    """Return True if sessions of Parallel Flow have recorded engines that have not joined yet."""
    recorded = [
        process
        for record in read_all(profile_folder)
        if record.cluster_id == cluster.file.cluster_id
        for process in record.alive()
        if process.kind == "engine"
    ]
    known = {process.pid for process in list(cluster.processes.values())}
    # One that is busy has joined, but does not tell its pid: so both are looked at.
    now = time.time()
    young = any(p.pid not in known and now - p.created < ENGINES_JOIN_SECONDS for p in recorded)
    return young and len(cluster.ids) < len(recorded)


def wait_for_coming_up(
    cluster: ClusterConnection, profile_folder: Path, given_up: Callable[[], object]
) -> None:
    """Wait until the engines of a cluster that were just started have joined.

    Parameters
    ----------
    cluster, profile_folder
        As for `is_coming_up`.
    given_up : callable
        Called between two looks; returns True, or raises, to end the wait.
    """

    def joined() -> bool:
        cluster.look_for_missed_engines()
        return not is_coming_up(cluster, profile_folder)

    wait_until(lambda: joined() or given_up(), None)
