"""Engines that are lost or hang, and those that are started in their place."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from parallelflow.errors import EnginesFailed, StartCancelled

from . import stop
from .cluster import Cluster
from .elastic import Scaler
from .engine_pool import EnginePool
from .losses import LossInquiry
from .start_request import StartRequest
from .starter import EngineStarter

if TYPE_CHECKING:
    from .connection.cluster_connection import ClusterConnection

__all__ = ["EngineReplacer"]

# What kills an engine (the system, when memory is short) may kill the next one while it starts.
ATTEMPTS = 3

logger = logging.getLogger(__name__)


class EngineReplacer:
    """Starts engines in the place of those that were lost, and knows what became of others.

    Parameters
    ----------
    cluster : Cluster
        The cluster.
    starter : EngineStarter
        Starts its engines.
    scaler : Scaler
        Has asked for those of an elastic cluster, and asks for others.
    """

    def __init__(self, cluster: Cluster, starter: EngineStarter, scaler: Scaler) -> None:
        self._cluster = cluster
        self._starter = starter
        self._scaler = scaler
        self._losses = LossInquiry(cluster)
        self._replacements: set[int] = set()
        self._replacements_lock = threading.Lock()

    def engine_pool(self) -> EnginePool:
        """Return the engines' owner as a run sees it."""
        ends = self._cluster.ends_on_purpose
        return EnginePool(
            alive=self._cluster.alive,
            fault=self._cluster.fault,
            replace=self.replace_in_background,
            retired=self._is_retired,
            crashed=self._has_crashed,
            frozen=self._losses.is_frozen,
            expected=lambda: self.expected() + self._scaler.expected() > 0,
            taken_away=self._losses.is_taken_away,
            why=self._losses.why,
            ended_together=self._losses.ended_together,
            seconds_left=self._losses.seconds_left,
            trouble=lambda: self._scaler.trouble,
            coming=self._losses.coming,
            relays=self._relays,
            stopped=lambda: self._cluster.ends_on_purpose != ends,
        )

    def replace_in_background(self, engine: int) -> bool:
        """Start another engine in the place of one of ours that died or hangs, in a thread.

        Returns before the new one has registered; whoever waits for engines sees it come. One
        that still runs gets no more work from now on, and is stopped first. What fails stands
        in the log.

        Parameters
        ----------
        engine : int
            The id that the old engine has, or had.

        Returns
        -------
        bool
            Whether one is being started: not a second time for one engine, and not for engines
            started elsewhere, on another machine or by a batch system.
        """
        connection = self._cluster.live_connection()
        if connection is None:
            return False
        connection.meet()
        if self._scaler.give_back(engine):
            return True
        with self._replacements_lock:
            if engine in connection.replaced or not stop.can_be_replaced(
                self._cluster, connection, engine
            ):
                return False
            connection.replaced.add(engine)
            if engine in connection.ids:
                connection.retired.add(engine)
            self._replacements.add(engine)
        thread = threading.Thread(
            target=self._replace,
            args=(connection, engine),
            name="parallelflow-replace",
            daemon=True,
        )
        thread.start()
        return True

    def _replace(self, connection: ClusterConnection, engine: int) -> None:
        cancel = threading.Event()
        try:
            with self._cluster.start_under_way(cancel):
                with self._cluster.lock:
                    gone = stop.stop_own_engine(self._cluster, connection, engine)
                if gone:
                    self._start_another(connection, cancel)
        except StartCancelled:
            logger.debug("engine %d is not replaced: everything is being stopped", engine)
        except Exception as e:  # in a thread of its own, nobody else would tell it
            logger.warning("engine %d could not be replaced: %s", engine, e)
        finally:
            with self._replacements_lock:
                self._replacements.discard(engine)

    def _start_another(self, connection: ClusterConnection, cancel: threading.Event) -> None:
        """Start one engine; again if it ends while it starts."""
        cluster = self._cluster

        def still_missing(n: int) -> int:
            # Not another cluster's, if this one has gone meanwhile.
            return n if cluster.connection is connection and cluster.alive() else 0

        request = StartRequest(1, "local", cancel=cancel, still_missing=still_missing)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._starter.start(request)
                return
            except EnginesFailed as e:
                if attempt == ATTEMPTS:
                    raise
                logger.warning("%s Trying it once more.", e.message)

    def _has_crashed(self, engine: int) -> bool | None:
        if self._scaler.has_given_back(engine):
            return False
        return self._losses.has_crashed(engine)

    def expected(self) -> int:
        """Return how many engines are being started in the place of others."""
        return len(self._replacements)

    def _relays(self, engines: Collection[int]) -> dict[int, list[int]]:
        connection = self._cluster.live_connection()
        return connection.relays(engines) if connection is not None else {}

    def _is_retired(self, engine: int) -> bool:
        connection = self._cluster.connection
        return connection is not None and engine in connection.retired
