"""Starts of engines, one after the other, each tried again if it failed by chance."""

from __future__ import annotations

import logging
from collections.abc import Callable

from parallelflow.errors import ControllerFailed, EnginesFailed, StartCancelled
from parallelflow.system.waiting import POLL_INTERVAL

from .cluster import Cluster
from .launch import capacity
from .start_request import StartRequest
from .system import profiles
from .system.ipyparallel_load import load_ipyparallel

__all__ = ["EngineStarter"]

# Attempts at a start whose reason to fail was of that moment: two controllers that chose the same
# ports, or another session's that ended while engines were added to it. With six sessions that
# start and end at once, two were the most that was seen.
ATTEMPTS = 5

logger = logging.getLogger(__name__)


class EngineStarter:
    """Starts engines of a cluster.

    Parameters
    ----------
    cluster : Cluster
        The cluster.
    at_work : callable
        Returns whether a run is under way.
    """

    def __init__(self, cluster: Cluster, at_work: Callable[[], object]) -> None:
        self._cluster = cluster
        self._at_work = at_work

    def check_number(self, n: int, launcher: str | None = None) -> None:
        """Raise unless n engines could be started here; see `EngineManager.check_number`."""
        name = self._cluster.options.launcher_name(launcher)
        capacity.check_number(n, name, self._cluster.folder)

    def start(self, request: StartRequest) -> int:
        """Start engines, after the starts that are under way.

        Returns
        -------
        int
            How many were started; fewer than asked for if other sessions have started some.
        """
        cluster, cancel = self._cluster, request.cancel
        with cluster.start_under_way(cancel):
            # Another start may wait in a batch system's queue.
            while not cluster.lock.acquire(timeout=POLL_INTERVAL):
                if cancel.is_set():
                    raise StartCancelled("The start of the engines was cancelled before it began.")
            try:
                return self._start(request)
            finally:
                cluster.lock.release()

    def _start(self, request: StartRequest) -> int:
        cluster = self._cluster
        if request.still_missing is not None and request.still_missing(request.n) < 1:
            return 0
        self.check_number(request.n, request.launcher)
        for line in profiles.open_to_change(cluster.profile):
            cluster.interaction.tell(line)
        for _ in range(ATTEMPTS - 1):
            try:
                return self._attempt(request)
            except (ControllerFailed, EnginesFailed) as e:
                if not e.passing:
                    raise
                logger.warning("%s Trying it once more.", e.message)
        return self._attempt(request)

    def _attempt(self, request: StartRequest) -> int:
        load_ipyparallel()
        from .start import StartTransaction  # it imports ipyparallel

        launcher = self._cluster.options.launcher_name(request.launcher)
        return StartTransaction(self._cluster, request, launcher, self._at_work).run()
