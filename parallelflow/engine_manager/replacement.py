"""Engines that are lost or hang, and those that are started in their place."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from parallelflow.errors import EnginesFailed, StartCancelled

from .engine_pool import EnginePool
from .interaction import Interaction
from .model import Stage, StartSnapshot
from .provision import EngineSource
from .system import profiles
from .system.records import read_all

if TYPE_CHECKING:
    from .connection.cluster_connection import Link

__all__ = ["EngineReplacer"]

# What kills an engine (the system, when memory is short) may kill the next one while it starts.
ATTEMPTS = 3

logger = logging.getLogger(__name__)


class EngineReplacer(EngineSource):
    """The part of the manager that replaces engines; see `EngineManager`.

    Parameters
    ----------
    profile, interaction
        As in `EngineSource`.
    """

    def __init__(self, profile: str = "default", interaction: Interaction | None = None) -> None:
        super().__init__(profile, interaction)
        self._replacements: set[int] = set()
        self._replacements_lock = threading.Lock()

    def engine_pool(self) -> EnginePool:
        """Return what a run asks of this manager, and tells it."""
        return EnginePool(
            alive=self.alive,
            fault=self.fault,
            replace=self.replace_later,
            retired=self._is_retired,
            crashed=self._has_crashed,
            expected=lambda: self._coming() > 0,
        )

    def replace_later(self, engine: int) -> bool:
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
        from . import stop as stopping

        cluster = self._link
        if cluster is None or not self.alive():
            return False
        cluster.meet()
        with self._replacements_lock:
            if engine in cluster.replaced or not stopping.is_own_local(self, cluster, engine):
                return False
            cluster.replaced.add(engine)
            if engine in cluster.ids:
                cluster.retired.add(engine)
            self._replacements.add(engine)
        thread = threading.Thread(
            target=self._replace, args=(cluster, engine), name="parallelflow-replace", daemon=True
        )
        thread.start()
        return True

    def _replace(self, cluster: Link, engine: int) -> None:
        from . import stop as stopping

        cancel = threading.Event()
        self._cancels.add(cancel)
        try:
            with self._lock:
                gone = stopping.retire(self, cluster, engine)
            if gone:
                self._start_another(cluster, cancel)
        except StartCancelled:
            logger.debug("engine %d is not replaced: everything is being stopped", engine)
        except Exception as e:  # in a thread of its own, nobody else would tell it
            logger.warning("engine %d could not be replaced: %s", engine, e)
        finally:
            self._cancels.discard(cancel)
            with self._replacements_lock:
                self._replacements.discard(engine)

    def _start_another(self, cluster: Link, cancel: threading.Event) -> None:
        """Start one engine; again if it ends while it starts."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start(
                    1,
                    "local",
                    _ignore,
                    cancel,
                    Stage.REGISTERED,
                    # Not another cluster, if this one has gone meanwhile.
                    lambda n: n if self._link is cluster and self.alive() else 0,
                )
                return
            except EnginesFailed as e:
                if attempt == ATTEMPTS:
                    raise
                logger.warning("%s Trying it once more.", e.message)

    def _coming(self) -> int:
        return len(self._replacements)

    def _is_retired(self, engine: int) -> bool:
        cluster = self._link
        return cluster is not None and engine in cluster.retired

    def _has_crashed(self, engine: int) -> bool:
        """Return True if an engine that has left ended by itself, as far as can be known."""
        cluster = self._link
        if cluster is None or not self.alive() or engine in cluster.retired:
            return False
        cluster.meet()
        process = cluster.gone_processes.get(engine)
        if process is not None and process.alive():
            return False  # frozen: the controller has given it up
        facts = cluster.gone.get(engine)
        if facts is None or not facts.mark or facts.mark in self.tokens():
            return True
        # Another session's: its end, or its order, has ended the engine.
        records = read_all(profiles.profile_folder(self.profile))
        return any(r.token == facts.mark and not r.abandoned for r in records)


def _ignore(snapshot: StartSnapshot) -> None:
    """Ignore how far a start has come."""
