"""The manager's engines for work that needs them: found, asked for, started."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parallelflow.errors import ControllerFailed, EnginesFailed, StartCancelled
from parallelflow.settings import settings

from .cluster import PRIVATE, ManagerCore
from .connection.coming_up import is_coming_up
from .interaction import Interaction
from .launch import capacity
from .model import Stage, StartSnapshot
from .system import profiles
from .system.records import session_name

if TYPE_CHECKING:
    import ipyparallel

    from .session import Session

__all__ = ["EngineSource", "Progress"]

logger = logging.getLogger(__name__)

# Between two looks at work done by another thread of ours: often enough for a window's events
# (they may wait 100 ms at most) and for Ctrl-C.
LOOK_SECONDS = 0.02

Progress = Callable[[StartSnapshot], None]


# Attempts at a start whose reason to fail was of that moment: two controllers that chose the same
# ports, or another session's that ended while engines were added to it. With six sessions that
# start and end at once, two were the most that was seen.
ATTEMPTS = 5


@dataclass
class _Work:
    """Something that another thread does for a caller."""

    future: Future[None]
    cancel: threading.Event


class EngineSource(ManagerCore):
    """The part of the manager that work asks for engines; see `EngineManager`.

    Parameters
    ----------
    profile, interaction
        As in `ManagerCore`.
    """

    def __init__(self, profile: str = "default", interaction: Interaction | None = None) -> None:
        super().__init__(profile, interaction)
        self._preparation: _Work | None = None
        self._cancels: set[threading.Event] = set()

    def suggested_engines(self) -> int:
        """Return how many engines to start: the configured number, else the cores left.

        That is one for each core of this machine without an engine of this cluster on it, as far
        as its memory has room for them, and at least 1.
        """
        return self.engines_wanted or max(min(self.free_cores(), capacity.room()), 1)

    def check_number(self, n: int, launcher: str | None = None) -> None:
        """Raise unless n engines could be started here, without starting any.

        Parameters
        ----------
        n : int
            How many.
        launcher : str, optional
            ipyparallel's short name of a launcher; the configured one, else the profile's own if
            not given.

        Raises
        ------
        TooManyEngines
            If one cluster, or this machine's memory, cannot take as many.
        ClusterError
            If the profile's configuration cannot be read.
        """
        folder = profiles.profile_folder(self.profile)
        capacity.check_number(n, self._chosen(launcher), folder)

    def _chosen(self, launcher: str | None) -> str | None:
        """Return a launcher's name as ipyparallel has it, None for the profile's own."""
        return (launcher or self.launcher or "").strip().lower() or None

    def check_wanted(self) -> None:
        """Raise, as `check_number` does, if those missing to the configured number are too many."""
        if self.engines_wanted:
            cluster = self._link
            running = 0 if cluster is None else len(cluster.fit)
            if self.engines_wanted > running:
                self.check_number(self.engines_wanted - running)

    def free_cores(self) -> int:
        """Return how many cores of this machine have no engine of this cluster on them."""
        cluster = self._link
        used = 0 if cluster is None else len(cluster.processes)
        return max((os.cpu_count() or 1) - used, 0)

    def prepare(self) -> None:
        """Begin to connect or start in a thread, so that it overlaps other work.

        A failure is raised by the next `ensure_engines`. The interaction is asked in that
        thread.
        """
        with self._lock:
            if self._preparation is None and self._link is None:
                self._preparation = self._in_thread(self._find_or_start)

    def _find_or_start(self, cancel: threading.Event) -> None:
        self._look_for_cluster(cancel)
        self._provide(self._count(), cancel)

    def ensure_engines(self, ask: bool = True) -> ipyparallel.Client | None:
        """Return a client with at least one engine; start what is missing if allowed.

        The work is done in another thread, while this one calls the interaction's
        ``cancelled`` every 20 ms: a window stays alive by it. The interaction's question is
        asked in this thread.

        Parameters
        ----------
        ask : bool
            Whether the user may be asked, and engines started; if False, only what
            runs is used.

        Returns
        -------
        ipyparallel.Client or None
            None if there is no engine and none was to be started.

        Raises
        ------
        ClusterError
            If connecting or starting fails; what had started is stopped.
        StartCancelled
            If the user gives up.
        """
        if not ask:
            self._wait(self._in_thread(lambda cancel: self._look_at_once()))
            return self._client_with_engines()
        preparation, self._preparation = self._preparation, None
        if preparation is not None:
            self._wait(preparation)
        cluster = self._link
        if cluster is not None and self.alive() and len(cluster.fit) >= (self.engines_wanted or 1):
            # The usual case, and a small Map's time: no thread is needed for it.
            return cluster.client
        for _ in range(ATTEMPTS):
            if not self.private or self._link is None:
                self._wait(self._in_thread(self._look_for_cluster))
            if self._coming():
                self._wait(self._in_thread(self._wait_for_coming))
            running = self._running()
            missing = self._count()
            if missing:
                provide = functools.partial(self._provide, missing)
                self._wait(self._in_thread(provide))
            client = self._client_with_engines()
            if client is not None or not (running or missing):
                return client
            # What was found has just ended with the session that had started it.
        return None

    def _client_with_engines(self) -> ipyparallel.Client | None:
        cluster = self._link if self.alive() else None
        return cluster.client if cluster is not None and cluster.fit else None

    def _coming(self) -> int:
        """Return how many engines are being started in the place of others."""
        return 0

    def _wait_for_coming(self, cancel: threading.Event) -> None:
        """Wait while there is no engine to work with, but one is being started."""
        while self._coming() and not self._client_with_engines() and not cancel.is_set():
            time.sleep(LOOK_SECONDS)

    def _look_at_once(self) -> None:
        if not self.private:
            self.connect(at_once=True)

    def _look_for_cluster(self, cancel: threading.Event) -> None:
        if self.private:
            return
        self.connect()
        cluster = self._link
        if self._session is not None and self._session.owns_controller:
            return
        folder = profiles.profile_folder(self.profile)
        while cluster is not None and is_coming_up(cluster, folder) and not cancel.is_set():
            time.sleep(LOOK_SECONDS)

    def _running(self) -> int:
        """Return how many engines there are to work with, with those being replaced."""
        cluster = self._link if self.alive() else None
        return len(cluster.fit) + self._coming() if cluster is not None else 0

    def _count(self) -> int:
        """Return how many engines are to be started, asking where there are none."""
        running = self._running()
        if running:
            return max((self.engines_wanted or 0) - running, 0)
        wanted = self.engines_wanted or settings().engines
        return self.interaction.engines_to_start(self.profile, wanted or self.suggested_engines())

    def _provide(self, missing: int, cancel: threading.Event) -> None:
        if missing > 0:
            interaction = self.interaction
            try:
                self._start(
                    missing, None, interaction.starting, cancel, Stage.REGISTERED, self._still
                )
            finally:
                interaction.start_ended()

    def _still(self, missing: int) -> int:
        """Return how many of the engines that were missing still are: others start some, too."""
        running = self._running()
        if not running:
            return missing
        return min(missing, max((self.engines_wanted or 0) - running, 0))

    def _in_thread(self, work: Callable[[threading.Event], None]) -> _Work:
        cancel = threading.Event()
        executor = ThreadPoolExecutor(1, thread_name_prefix="parallelflow-work")
        future = executor.submit(work, cancel)
        executor.shutdown(wait=False)
        return _Work(future, cancel)

    def _wait(self, work: _Work) -> None:
        try:
            while not work.future.done():
                if self.interaction.cancelled():
                    work.cancel.set()
                # Polled, so that Ctrl-C arrives here and not when the start has ended.
                time.sleep(LOOK_SECONDS)
        except BaseException:
            work.cancel.set()
            raise
        work.future.result()

    def _start(
        self,
        n: int,
        launcher: str | None,
        progress: Progress,
        cancel: threading.Event,
        until: Stage,
        still: Callable[[int], int] | None = None,
    ) -> int:
        """Start engines and return how many; see `Start`."""
        from .start import Start

        self._cancels.add(cancel)
        try:
            # Another start may wait in a batch system's queue.
            while not self._lock.acquire(timeout=LOOK_SECONDS):
                if cancel.is_set():
                    raise StartCancelled("the start of the engines was cancelled before it began.")
            try:
                if still is not None and still(n) < 1:
                    return 0
                self.check_number(n, launcher)
                for line in profiles.open_to_change(self.profile):
                    self.interaction.tell(line)
                start = functools.partial(
                    Start, self, n, self._chosen(launcher), progress, cancel.is_set, still
                )
                return _again_if_passing(lambda: start().run(until))
            finally:
                self._lock.release()
        finally:
            self._cancels.discard(cancel)

    def _begin_session(self) -> Session:
        from .session import Session

        if self._session is None:
            folder = profiles.ensure_folder(self.profile)
            cluster = self._link
            if cluster is not None:
                cluster_id = cluster.connection.cluster_id
            else:
                cluster_id = f"{PRIVATE}{session_name()}" if self.private else ""
            self._session = Session(folder, cluster_id)
            atexit.register(self.stop)
        return self._session

    def _cancel_starts(self) -> None:
        if self._preparation is not None:
            self._preparation.cancel.set()
        for cancel in list(self._cancels):
            cancel.set()


def _again_if_passing(attempt: Callable[[], int]) -> int:
    """Start engines; once more, a few times, if the reason why it failed was of that moment."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except (ControllerFailed, EnginesFailed) as e:
            if not e.passing:
                raise
            logger.warning("%s Trying it once more.", e.message)
    return attempt()
