"""Adapts an elastic cluster to the work of this session, as long as it has some."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from parallelflow.errors import ClusterError, EnginesFailed

from ..cluster import Cluster
from ..connection import hub
from ..model.limits import Limits
from ..runs import RunsUnderWay
from ..system.batch_systems import JobState, JobStatus
from ..system.records import read_all
from .driver import Driver, LauncherDriver, Leased
from .policy import Lease, decide, engines_for, is_near_end, mean_seconds

if TYPE_CHECKING:
    from parallelflow.progress import Snapshot

    from ..connection.cluster_connection import ClusterConnection

__all__ = ["Scaler"]

# How often the work and the engines are looked at.
LOOK_SECONDS = 1.0
# The hub answers within some milliseconds; engines are not touched.
QUEUE_SECONDS = 0.5
# So many engines are asked for before the work is looked at again: one submission takes 50 ms.
MOST_AT_ONCE = 8
# Jobs in a row that end without having brought their engine: the next ones would, too.
MOST_FAILURES = 2
# The same for jobs that were cancelled, preempted or lost their node: the next one may not be, but
# whoever cancels one after the other means it.
MOST_TAKEN_AWAY = 10
# A run whose engines are looked for begins within this time.
HOLD_SECONDS = 10.0
# A process here that has not joined after so long does not.
JOIN_SECONDS = 120.0

logger = logging.getLogger(__name__)


class Scaler:
    """Asks for engines when elements wait, and gives them back when they have no work.

    What it has asked for ends with this session at the latest.

    Parameters
    ----------
    cluster : Cluster
        The cluster.
    runs : RunsUnderWay
        The session's runs: what waits.
    """

    def __init__(self, cluster: Cluster, runs: RunsUnderWay) -> None:
        self._cluster = cluster
        self._runs = runs
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._known: tuple[ClusterConnection, Limits | None] | None = None
        self._leases: dict[str, Leased] = {}
        self._engines: dict[str, int] = {}
        self._joined: set[str] = set()
        self._unwanted: set[str] = set()
        self._given_back: set[str] = set()
        self._idle_since: dict[int, tuple[int, float]] = {}
        self._running_since: dict[int, float] = {}
        self._queues = hub.QueueQuestion()
        self._failures = self._taken_away = 0
        self._is_asking = False
        self._hold_until = 0.0
        self._least = 0
        self.trouble = ""

    # -- what others ask ------------------------------------------------------------------

    def limits(self) -> Limits | None:
        """Return between how many engines the cluster adapts itself, None if it does not."""
        connection = self._cluster.live_connection()
        if connection is None:
            return None
        if self._known is None or self._known[0] is not connection:
            self._known = (connection, self._read_limits(connection))
        return self._known[1]

    def forget_limits(self) -> None:
        """Read the limits again: they have been set."""
        self._known = None

    def _read_limits(self, connection: ClusterConnection) -> Limits | None:
        for record in read_all(self._cluster.folder):
            if record.elastic and record.cluster_id == connection.file.cluster_id:
                try:
                    return Limits.from_dict(record.elastic)
                except (KeyError, TypeError, ValueError) as e:
                    logger.warning("%s has wrong limits: %r", record.path, e)
        return None

    def begin(self, least: int = 0) -> bool:
        """Begin to adapt the cluster; return whether it is elastic.

        Parameters
        ----------
        least : int
            So many engines are asked for in any case, as long as there are fewer.

        Raises
        ------
        EnginesFailed
            If there is no engine, and those that were asked for have not come.
        """
        limits, connection = self.limits(), self._cluster.connection
        if limits is None or connection is None:
            return False
        if self._thread is not None and self.trouble and not connection.fit:
            raise EnginesFailed(f"None of the engines that were asked for has come: {self.trouble}")
        self._hold_until = time.monotonic() + HOLD_SECONDS
        self._least = least
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._failures = self._taken_away = 0
                self.trouble = ""
                driver = LauncherDriver(self._cluster, connection, limits.launcher)
                self._thread = threading.Thread(
                    target=self._adapt,
                    args=(connection, limits, driver),
                    name="parallelflow-elastic",
                    daemon=True,
                )
                self._thread.start()
        self._wake.set()
        return True

    def expected(self) -> int:
        """Return how many engines are about to join, but for those that wait in a queue."""
        local = [
            one for one in list(self._leases.values()) if not one.engines.jobs and not self.trouble
        ]
        waiting = [one for one in local if one.name not in self._engines]
        begins = time.monotonic() < self._hold_until and not self.trouble
        return len(waiting) + (self._is_asking or begins)

    def give_back(self, engine: int) -> bool:
        """Give one engine back, since it hangs or has gone; return False if it is none of these.

        Another one is asked for if elements wait.
        """
        connection = self._cluster.live_connection()
        for name, known in list(self._engines.items()):
            if known == engine and name in self._leases and connection is not None:
                connection.retired.add(engine)
                self._unwanted.add(name)
                self._wake.set()
                return True
        return False

    def has_given_back(self, engine: int) -> bool:
        """Return True if an engine that has left was given back: its end is nobody's fault."""
        connection = self._cluster.live_connection()
        facts = connection.gone.get(engine) if connection is not None else None
        return facts is not None and facts.engine_set in self._given_back

    def close(self) -> None:
        """Give back all that was asked for."""
        connection, limits = self._cluster.live_connection(), self.limits()
        if connection is not None and limits is not None and self._leases:
            driver = LauncherDriver(self._cluster, connection, limits.launcher)
            self._end(set(self._leases), connection, driver)

    # -- the thread -----------------------------------------------------------------------

    def _adapt(self, connection: ClusterConnection, limits: Limits, driver: Driver) -> None:
        try:
            while self._cluster.connection is connection and connection.alive():
                self._step(connection, limits, driver)
                with self._lock:
                    holds = time.monotonic() < self._hold_until
                    if not (self._leases or len(self._runs) or holds):
                        self._thread = None
                        break
                starts = holds and not self._leases
                self._wake.wait(LOOK_SECONDS / 10 if starts else LOOK_SECONDS)
                self._wake.clear()
        except Exception as e:
            logger.exception("the cluster does not adapt itself any more")
            self.trouble = f"{type(e).__name__}: {e}"  # or runs would wait for engines
        finally:
            self._is_asking = False
            if self._cluster.connection is not connection:
                self._leases.clear()  # stopped with all that the session had started
                self._engines.clear()

    def _step(self, connection: ClusterConnection, limits: Limits, driver: Driver) -> None:
        connection.meet()
        facts = dict(connection.facts)
        here = {told.engine_set: engine for engine, told in facts.items()}
        self._engines = {name: here[name] for name in self._leases if name in here}
        states = driver.look(list(self._leases.values()))
        self._drop_ended(states, driver)
        runs = [(run, mean_seconds(run, self._running_for(run.run))) for run in self._running()]
        longest = max((mean for _, mean in runs), default=0.0)
        idle = self._idle(connection)
        leases = []
        for name in self._leases:
            engine, status = self._engines.get(name), states.get(name)
            left, used = (status.left, status.used) if status is not None else (None, None)
            near_end = engine is not None and is_near_end(left, used, longest)
            quiet = idle.get(engine, 0.0) if engine is not None else 0.0
            leases.append(Lease(name, engine is not None, quiet, near_end))
        mine = set(self._engines.values())
        # One that has not told yet who has started it may be one of those that are waited for.
        others = sum(e in facts and e not in mine for e in connection.fit)
        if others + len(mine) >= self._least:
            self._least = 0
        decision = decide(limits, max(engines_for(runs), self._least), others, leases)
        self._end({*decision.end, *self._unwanted}, connection, driver)
        try:
            if not self.trouble:
                self._ask(min(decision.ask, MOST_AT_ONCE), connection, driver)
        finally:
            self._is_asking = False
        if decision.ask > MOST_AT_ONCE:
            self._wake.set()

    def _running(self) -> list[Snapshot]:
        return list(self._runs.snapshots())

    def _running_for(self, run: int) -> float:
        """Return for how long a run has had engines, seconds."""
        if not self._engines and run not in self._running_since:
            return 0.0
        now = time.monotonic()
        return now - self._running_since.setdefault(run, now)

    def _idle(self, connection: ClusterConnection) -> dict[int, float]:
        """Return for how long engines have had no work, whoever's, seconds; by their ids."""
        queues = self._queues.ask(connection.client, QUEUE_SECONDS)
        now, found = time.monotonic(), {}
        for engine, queue in (queues or {}).items():
            pending = queue["queue"] + queue["tasks"] - connection.unanswered(engine)
            done = queue["completed"] - connection.answers[engine]
            before = self._idle_since.get(engine)
            if pending > 0 or before is None or before[0] != done:
                self._idle_since[engine] = (done, now)
            else:
                found[engine] = now - before[1]
        return found

    def _drop_ended(self, states: dict[str, JobStatus], driver: Driver) -> None:
        """Forget what has ended by itself, and note if that was before its engine had joined."""
        for name, lease in list(self._leases.items()):
            status = states.get(name)
            late = not lease.engines.jobs and time.monotonic() - lease.asked_at > JOIN_SECONDS
            if name in self._engines:
                self._failures = self._taken_away = 0
            elif (
                status is not None and status.state in (JobState.ENDED, JobState.BLOCKED)
            ) or late:
                had_joined = name in self._joined
                told = f"{lease.text} {status.text if status and not late else 'has not joined'}"
                log = lease.engines.log().splitlines()
                told += f" ({log[-1].strip()})" if log else ""
                driver.end([self._leases.pop(name)])
                if had_joined or name in self._unwanted:
                    continue
                if status is not None and status.was_taken_away:
                    self._taken_away += 1
                else:
                    self._failures += 1
                many = self._failures >= MOST_FAILURES or self._taken_away >= MOST_TAKEN_AWAY
                if many or (status is not None and status.state is JobState.BLOCKED):
                    self._give_up(told, driver)
        self._joined |= self._engines.keys()

    def _give_up(self, told: str, driver: Driver) -> None:
        self.trouble = told
        waiting = [lease for name, lease in self._leases.items() if name not in self._engines]
        for lease in waiting:
            del self._leases[lease.name]
        driver.end(waiting)
        self._cluster.interaction.tell(f"No more engines are asked for: {told}.")

    def _end(self, names: set[str], connection: ClusterConnection, driver: Driver) -> None:
        ended = [self._leases.pop(name) for name in names if name in self._leases]
        self._unwanted -= names
        self._given_back.update(lease.name for lease in ended)
        # Before they go: what they have is nobody's fault.
        connection.retired.update(
            self._engines[lease.name] for lease in ended if lease.name in self._engines
        )
        if ended:
            driver.end(ended)

    def _ask(self, number: int, connection: ClusterConnection, driver: Driver) -> None:
        for _ in range(number):
            self._is_asking = True
            try:
                lease = driver.ask()
            except ClusterError as e:
                if self._cluster.connection is connection:
                    self._give_up(e.message, driver)
                return
            self._leases[lease.name] = lease
