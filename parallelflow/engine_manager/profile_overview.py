"""The IPython profiles, and what runs on each."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from parallelflow.system.safe_files import is_there

from .connection.connection_files import THREADS, ConnectionFile, connections
from .model import Origin, ProfileInfo, RunningCluster
from .system import profiles as files
from .system.origins import origin_of
from .system.processes import record_of
from .system.records import read_all

__all__ = ["profiles"]

CONFIGURATION = ("ipcluster_config.py", "ipcontroller_config.py", "ipengine_config.py")


def profiles(current: str, own_tokens: Iterable[str] = ()) -> list[ProfileInfo]:
    """Return the IPython profiles, ``default`` first, then by name.

    Parameters
    ----------
    current : str
        The session's own profile; it is told even if it has no folder yet.
    own_tokens : iterable of str
        Marks of the sessions that count as started here.
    """
    names = {"default", current, *files.names()}
    ordered = sorted(names, key=lambda name: (name != "default", name.lower()))
    with ThreadPoolExecutor(THREADS, thread_name_prefix="parallelflow-profiles") as pool:
        asked = {name: [(c, pool.submit(c.answers)) for c in connections(name)] for name in ordered}
        return [
            _info(name, current, [c for c, answers in asked[name] if answers.result()], own_tokens)
            for name in ordered
        ]


def _info(
    name: str, current: str, running: list[ConnectionFile], own_tokens: Iterable[str]
) -> ProfileInfo:
    folder = files.profile_folder(name)
    records = read_all(folder)
    clusters = []
    for connection in running:
        pid = connection.owner()
        process = record_of(pid, "controller") if pid is not None else None
        origin = Origin.EXTERNAL
        for record in records:
            if process is not None and any(process.is_same(p) for p in record.processes):
                origin = origin_of(record, own_tokens)
        host = connection.location or connection.host
        clusters.append(RunningCluster(connection.cluster_id, origin, host, pid))
    configured = any(is_there(folder / file) for file in CONFIGURATION)
    return ProfileInfo(name, str(folder), name == current, configured, tuple(clusters))
