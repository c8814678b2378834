"""A cluster that another program has started."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import ipyparallel
import psutil

from parallelflow.engine_manager.system import profiles
from tests.support.waiting import wait_until

# The processes of a controller beside its first one.
PARTS = 8


# ipyparallel chooses ports before it takes them, and a part that finds its own taken ends.
TRIES = 5
TAKEN_PORT = "Address already in use"


@contextlib.contextmanager
def foreign_cluster(profile: str, cluster_id: str, n: int = 1) -> Iterator[ipyparallel.Cluster]:
    """Start a cluster as ipcluster (no id) or Jupyter (an id) do."""
    for _ in range(TRIES):
        cluster = ipyparallel.Cluster(
            profile_dir=str(profiles.ensure_folder(profile)),
            cluster_id=cluster_id,
            n=n,
            delay=0,
            controller_args=["--HeartMonitor.period=200"],
            log_level=40,
        )
        with _running(cluster) as whole:
            if whole:
                yield cluster
                return
    raise AssertionError(f"other programs took the ports of {TRIES} controllers")


@contextlib.contextmanager
def _running(cluster: ipyparallel.Cluster) -> Iterator[bool]:
    """Start a cluster and stop it at the end; yield whether all parts of the controller run."""
    cluster.start_controller_sync()
    controller = psutil.Process(cluster.controller.pid)
    members: list[psutil.Process] = []

    def is_whole() -> bool:
        # It writes its connection files before it starts its parts.
        members[:] = controller.children(recursive=True)
        return len(members) >= PARTS

    def has_met_taken_port() -> bool:
        return TAKEN_PORT in Path(cluster.controller.output_file).read_text()

    try:
        asyncio.run(cluster.controller.get_connection_info())
        if cluster.n:
            cluster.start_engines_sync(cluster.n)
        wait_until(lambda: is_whole() or has_met_taken_port())
        yield is_whole()
    finally:
        # Stopped too soon, a controller leaves orphans (which is its own fault, not ours).
        time.sleep(0.5)
        cluster.stop_cluster_sync()
        for member in members:
            with contextlib.suppress(psutil.Error):
                member.kill()
