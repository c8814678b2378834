"""Engines for work that asks for some: found, asked for, started."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parallelflow.errors import StartCancelled
from parallelflow.settings import settings
from parallelflow.system.waiting import POLL_INTERVAL, wait_until

from .cluster import Cluster
from .connection.coming_up import wait_for_coming_up
from .elastic import Scaler
from .launch import capacity
from .replacement import EngineReplacer
from .start_request import StartRequest
from .starter import EngineStarter

if TYPE_CHECKING:
    import ipyparallel

    from .connection.cluster_connection import ClusterConnection

__all__ = ["EngineProvisioner"]

# Searches for engines, when those that were found have just ended with the session that had
# started them.
ATTEMPTS = 5

logger = logging.getLogger(__name__)


@dataclass
class _BackgroundJob:
    """Something that another thread does for a caller."""

    future: Future[None]
    cancel: threading.Event


class EngineProvisioner:
    """Provides work with engines: those that run, and others that are started for it.

    Parameters
    ----------
    cluster : Cluster
        The cluster.
    starter : EngineStarter
        Starts its engines.
    replacer : EngineReplacer
        Knows how many engines are being replaced: they will be there in a moment.
    scaler : Scaler
        Asks for engines where the cluster is elastic.
    """

    def __init__(
        self, cluster: Cluster, starter: EngineStarter, replacer: EngineReplacer, scaler: Scaler
    ) -> None:
        self._cluster = cluster
        self._options = cluster.options
        self._starter = starter
        self._replacer = replacer
        self._scaler = scaler
        self._preparation: _BackgroundJob | None = None

    def suggested_engines(self) -> int:
        """Return how many engines to start; see `EngineManager.suggested_engines`."""
        wanted = self._options.engines_wanted
        return wanted or max(min(self.free_cores(), capacity.room()), 1)

    def check_wanted(self) -> None:
        """Raise if the engines missing to the configured number could not be started."""
        wanted = self._options.engines_wanted
        if wanted:
            connection = self._cluster.connection
            running = 0 if connection is None else len(connection.fit)
            if wanted > running:
                self._starter.check_number(wanted - running)

    def free_cores(self) -> int:
        """Return how many cores of this machine have no engine of this cluster on them."""
        connection = self._cluster.connection
        used = 0 if connection is None else connection.count_here()
        return max((os.cpu_count() or 1) - used, 0)

    # -- in the background ------------------------------------------------------------

    def prepare(self) -> None:
        """Begin to connect or start in a thread; see `EngineManager.prepare`."""
        with self._cluster.lock:
            if self._preparation is None and self._cluster.connection is None:
                self._preparation = _in_thread(self._find_or_start)

    def cancel_preparation(self) -> None:
        """Cancel what `prepare` has begun."""
        if self._preparation is not None:
            self._preparation.cancel.set()

    def forget_preparation(self) -> None:
        """Forget what `prepare` has begun, and how it has ended."""
        self._preparation = None

    def _find_or_start(self, cancel: threading.Event) -> None:
        self._look_for_cluster(cancel)
        if self._scaler.limits() is not None:
            return  # for how much work is not known yet
        self._start_missing(self._engines_to_start(), cancel)

    def start_beside(self, engines: Collection[int]) -> int:
        """Start engines beside those of others that answer nothing; returns at once.

        Parameters
        ----------
        engines : collection of int
            The ids of those.

        Returns
        -------
        int
            How many are being started: none where the user is to be asked first, or if this
            session has started one of those itself.
        """
        connection = self._cluster.live_connection()
        if connection is None or not self._cluster.interaction.adds_engines():
            return 0
        if self._scaler.limits() is not None:
            return 0
        facts, own = connection.facts, self._cluster.tokens()
        if any(engine in facts and facts[engine].token in own for engine in engines):
            return 0
        n = self.suggested_engines()
        request = StartRequest(
            n, still_missing=lambda n: n if self._cluster.connection is connection else 0
        )

        def start() -> None:
            try:
                self._starter.start(request)
            except StartCancelled:
                logger.debug("no engines are started: everything is being stopped")
            except Exception as e:  # in a thread of its own, nobody else would tell it
                logger.warning("%s", e)

        threading.Thread(target=start, name="parallelflow-beside", daemon=True).start()
        return n

    # -- for work that waits ----------------------------------------------------------

    def ensure_engines(self, ask: bool = True, for_run: bool = False) -> ipyparallel.Client | None:
        """Return a client with at least one engine; see `EngineManager.ensure_engines`."""
        if not ask:
            self._wait_for(_in_thread(lambda cancel: self._connect_without_waiting()))
            if for_run and self._scaler.begin():
                return self._client_of(self._cluster.live_connection())
            if self._replacer.expected():
                self._wait_for(_in_thread(self._wait_for_replacement))
            return self._client_with_engines()
        preparation, self._preparation = self._preparation, None
        if preparation is not None:
            self._wait_for(preparation)
        least = 0 if for_run else 1
        connection = self._cluster.live_connection()
        if connection is not None and self._scaler.begin(least):
            return self._of_elastic_cluster(for_run)
        if connection is not None and len(connection.fit) >= (self._options.engines_wanted or 1):
            # The usual case, and a small Map's time: no thread is needed for it.
            return connection.client
        for _ in range(ATTEMPTS):
            if not self._options.private or self._cluster.connection is None:
                self._wait_for(_in_thread(self._look_for_cluster))
            if self._scaler.begin(least):
                return self._of_elastic_cluster(for_run)
            if self._replacer.expected():
                self._wait_for(_in_thread(self._wait_for_replacement))
            running = self._running()
            missing = self._engines_to_start()
            if missing:
                self._wait_for(_in_thread(functools.partial(self._start_missing, missing)))
            client = self._client_with_engines()
            if client is not None or not (running or missing):
                return client
            # What was found has just ended with the session that had started it.
        return None

    def _of_elastic_cluster(self, for_run: bool) -> ipyparallel.Client | None:
        """Return the client of an elastic cluster; wait for an engine if there is to be one."""
        if not for_run:
            self._wait_for(_in_thread(self._wait_for_first))
            return self._client_with_engines()
        return self._client_of(self._cluster.live_connection())

    def _wait_for_first(self, cancel: threading.Event) -> None:
        def is_over() -> object:
            return self._client_with_engines() or cancel.is_set() or not self._scaler.begin(1)

        wait_until(is_over, None)
        if cancel.is_set():
            raise StartCancelled("The wait for an engine was cancelled.")

    def _client_of(self, connection: ClusterConnection | None) -> ipyparallel.Client | None:
        return connection.client if connection is not None else None

    def _client_with_engines(self) -> ipyparallel.Client | None:
        connection = self._cluster.live_connection()
        return connection.client if connection is not None and connection.fit else None

    def _connect_without_waiting(self) -> None:
        if not self._options.private:
            self._cluster.connect_without_waiting()

    def _look_for_cluster(self, cancel: threading.Event) -> None:
        cluster = self._cluster
        if self._options.private:
            return
        cluster.connect()
        connection, session = cluster.connection, cluster.session
        if connection is None or (session is not None and session.owns_controller):
            return
        wait_for_coming_up(connection, cluster.folder, cancel.is_set)

    def _wait_for_replacement(self, cancel: threading.Event) -> None:
        """Wait while there is no engine to work with, but one is being started."""
        wait_until(
            lambda: not self._replacer.expected() or self._client_with_engines() or cancel.is_set(),
            None,
        )

    def _running(self) -> int:
        """Return how many engines there are to work with, with those being replaced."""
        connection = self._cluster.live_connection()
        return len(connection.fit) + self._replacer.expected() if connection is not None else 0

    def _engines_to_start(self) -> int:
        """Return how many engines are to be started, asking where there are none."""
        options = self._options
        running = self._running()
        if running:
            return max((options.engines_wanted or 0) - running, 0)
        wanted = options.engines_wanted or settings().engines
        interaction = self._cluster.interaction
        return interaction.engines_to_start(options.profile, wanted or self.suggested_engines())

    def _start_missing(self, missing: int, cancel: threading.Event) -> None:
        if missing > 0:
            interaction = self._cluster.interaction
            try:
                self._starter.start(
                    StartRequest(
                        missing,
                        progress=interaction.starting,
                        cancel=cancel,
                        still_missing=self._still_missing,
                    )
                )
            finally:
                interaction.start_ended()

    def _still_missing(self, missing: int) -> int:
        """Return how many of the engines that were missing still are: others start some, too."""
        running = self._running()
        if not running:
            return missing
        return min(missing, max((self._options.engines_wanted or 0) - running, 0))

    def _wait_for(self, job: _BackgroundJob) -> None:
        try:
            while not job.future.done():
                if self._cluster.interaction.cancelled():
                    job.cancel.set()
                # Polled, so that Ctrl-C arrives here and not when the start has ended.
                time.sleep(POLL_INTERVAL)
        except BaseException:
            job.cancel.set()
            raise
        job.future.result()


def _in_thread(work: Callable[[threading.Event], None]) -> _BackgroundJob:
    cancel = threading.Event()
    executor = ThreadPoolExecutor(1, thread_name_prefix="parallelflow-work")
    future = executor.submit(work, cancel)
    executor.shutdown(wait=False)
    return _BackgroundJob(future, cancel)
