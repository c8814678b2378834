"""A cluster that another program has started."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import ipyparallel
import psutil

from parallelflow.engine_manager.system import profiles
from tests.support.waiting import wait_until

# The processes of a controller beside its first one.
PARTS = 8


@contextlib.contextmanager
def foreign_cluster(profile: str, cluster_id: str, n: int = 1) -> Iterator[ipyparallel.Cluster]:
    """Start a cluster as ipcluster (no id) or Jupyter (an id) do."""
    cluster = ipyparallel.Cluster(
        profile_dir=str(profiles.ensure_folder(profile)),
        cluster_id=cluster_id,
        n=n,
        delay=0,
        controller_args=["--HeartMonitor.period=200"],
        log_level=40,
    )
    cluster.start_controller_sync()
    asyncio.run(cluster.controller.get_connection_info())
    if n:
        cluster.start_engines_sync(n)
    controller = psutil.Process(cluster.controller.pid)
    # It writes its connection files before it starts its parts.
    wait_until(lambda: len(controller.children(recursive=True)) >= PARTS)
    members = controller.children(recursive=True)
    try:
        yield cluster
    finally:
        # Stopped too soon, a controller leaves orphans (which is its own fault, not ours).
        time.sleep(0.5)
        cluster.stop_cluster_sync()
        for member in members:
            with contextlib.suppress(psutil.Error):
                member.kill()
