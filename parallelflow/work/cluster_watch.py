"""What ends a run from outside: its cluster goes away, or none of its engines is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from parallelflow.engine.remote_failure import RemoteFailure
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import ClusterLost

from .backlog import Backlog
from .losses import fail_as_lost
from .outcomes import Decision, Fail
from .results import Results
from .silent_engines import SilentEngines
from .workers import Workers

__all__ = ["ClusterWatch"]

# After the last engine is gone, one that is being started may still come.
REPLACEMENT_SECONDS = 5.0
# How often the cluster itself is asked whether it lives.
ALIVE_SECONDS = 1.0
# Engines that leave so short a time before their controller were stopped together with it.
TOGETHER_SECONDS = 10.0


class ClusterWatch:
    """Finds out when a run cannot go on with the cluster that it has.

    Parameters
    ----------
    pool : EnginePool
        The owner of the engines.
    workers : Workers
        The engines that take part.
    backlog : Backlog
        What waits.
    results : Results
        What has come back.
    """

    def __init__(
        self, pool: EnginePool, workers: Workers, backlog: Backlog, results: Results
    ) -> None:
        self._pool = pool
        self._workers = workers
        self._backlog = backlog
        self._results = results
        self._silence = SilentEngines(pool, workers, results.progress.warn)
        self._checked_at = time.monotonic()

    def start_over(self) -> None:
        """Watch another cluster from now on."""
        self._silence.start_over()
        self._checked_at = time.monotonic()

    def check(self) -> None:
        """Raise `ClusterLost` if the cluster has gone; asks every `ALIVE_SECONDS`.

        Engines that answer nothing are reported.
        """
        now = time.monotonic()
        if now - self._checked_at > ALIVE_SECONDS:
            self._checked_at = now
            self.check_now()
            self._silence.check()

    def check_now(self) -> None:
        """Raise `ClusterLost` if the cluster has gone."""
        if self._pool.alive():
            return
        fault = self._pool.fault()
        why = f": {fault}" if fault else ""
        since = time.monotonic() - TOGETHER_SECONDS
        self._backlog.acquit(lambda engine, when: when > since)
        raise ClusterLost(f"The cluster went away with {self._results.unfinished_text}{why}.")

    def is_work_done_here(self) -> bool:
        """Return True if the session's process is to do the work, until an engine answers."""
        return self._silence.is_work_done_here()

    def is_abandoned(self) -> bool:
        """Return True if no engine is left to go on with, for `REPLACEMENT_SECONDS`."""
        return self._workers.seconds_without_any() > REPLACEMENT_SECONDS

    def give_up(self, apply: Callable[[list[Decision], None], None]) -> None:
        """Fail the elements that ended the last engines, if known, and those that were not run.

        Parameters
        ----------
        apply : callable
            Called with the decisions, and None for no engine.

        Raises
        ------
        SetupFailed
            If there are engines, but the function cannot be set up on them.
        ClusterLost
            If the engines' end is none of the run's doing.
        """
        # It may have become known since that their session had ended, and they with it.
        self._backlog.acquit(lambda engine, when: not self._pool.crashed(engine))
        apply([fail_as_lost(chunk) for chunk in self._backlog.take_convicted()], None)
        blamed = any(failure.stage == "lost" for failure in self._results.failures.values())
        if blamed and self._backlog.source.total is not None:
            why = RemoteFailure("not run", "NoEngineLeft", "no engine was left")
            for chunk in self._backlog.drain():
                apply([Fail(i, e, why) for i, e in enumerate(chunk.elements, chunk.start)], None)
            return
        self._workers.raise_setup_failure()
        trouble = self._pool.trouble()
        if trouble and not self._results.progress.engines:
            raise ClusterLost(f"No engine has come for the work: {trouble}.")
        suspects = self._backlog.suspected()
        away = self._workers.why_taken_away
        reason = f": {away}" if away else ""
        hint = f" One of the elements {suspects} may have ended it." if suspects else ""
        raise ClusterLost(
            f"The last engine went away with {self._results.unfinished_text}{reason}.{hint} "
            "Start new engine processes and run it again."
        )
