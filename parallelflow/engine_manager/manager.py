"""The engine manager: connects to a profile's cluster, starts one, stops what it started."""

from __future__ import annotations

import atexit
import enum
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from parallelflow.errors import ConnectFailed, EnginesFailed, StartCancelled
from parallelflow.interaction import ConsoleInteraction, Interaction

from . import profiles
from .guard import Guard
from .processes import stop_trees
from .records import SessionRecord

if TYPE_CHECKING:
    import ipyparallel

    from .launch import Launch

__all__ = ["EngineManager", "State", "get_manager"]

# The handshake with a hub that accepts connections: milliseconds locally, seconds through
# a slow tunnel. A hub that accepts and then says nothing is hung.
CONNECT_SECONDS = 10.0
# From the start of an engine to its registration: 1 s on an idle machine. Batch systems
# may keep a job queued much longer; engines that come later join by themselves.
ENGINES_SECONDS = 60.0
# Between two looks at starting engines; short, since every start waits for the last one.
LOOK_SECONDS = 0.02

logger = logging.getLogger(__name__)


class State(enum.Enum):
    """Where the manager stands with its cluster."""

    NO_CLUSTER = "no cluster"
    CONNECTING = "connecting"
    CONTROLLER = "controller only"
    ENGINES = "engines"
    LOST = "lost"


class EngineManager:
    """One owner of the controller and engines that this process uses or starts.

    Methods may be called from any thread; one that changes the cluster waits for
    another to finish first.

    Parameters
    ----------
    profile : str
        The IPython profile.
    interaction : Interaction, optional
        Who is asked and told; the terminal's defaults if not given.
    """

    def __init__(self, profile: str = "default", interaction: Interaction | None = None) -> None:
        self.profile = profile
        self.interaction: Interaction = interaction or ConsoleInteraction()
        self.engines_wanted: int | None = None
        self.private = False
        self.state = State.NO_CLUSTER
        self._listeners: list[Callable[[State], None]] = []
        self._lock = threading.RLock()
        self._client: ipyparallel.Client | None = None
        self._launch: Launch | None = None
        self._record: SessionRecord | None = None
        self._guard: Guard | None = None
        self._preparation: Future[None] | None = None
        self._owner = os.getpid()

    # -- settings ---------------------------------------------------------------------

    def configure(
        self, profile: str | None = None, engines: int | None = None, private: bool | None = None
    ) -> None:
        """Set what to use, and what to start where there is nothing to use.

        Parameters
        ----------
        profile : str, optional
            The IPython profile; None leaves it as it is.
        engines : int, optional
            How many engines to start, at least 1; None: one per core.
        private : bool, optional
            Whether a cluster that has to be started is hidden from other sessions,
            because it ends with this one.

        Raises
        ------
        ProfileError
            If the profile's name is not valid.
        ValueError
            If `engines` is below 1.
        """
        if engines is not None and engines < 1:
            raise ValueError(f"at least 1 engine is needed, not {engines}")
        with self._lock:
            if profile is not None and profile != self.profile:
                profiles.check_name(profile)
                self.stop()
                self.profile = profile
            if engines is not None:
                self.engines_wanted = engines
            if private is not None:
                self.private = private

    def suggested_engines(self) -> int:
        """Return how many engines to start: the configured number, else one per core."""
        return self.engines_wanted or os.cpu_count() or 1

    def on_state(self, listener: Callable[[State], None]) -> None:
        """Have `listener` called with every new state, in the thread that changes it."""
        self._listeners.append(listener)

    def _enter(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            for listener in list(self._listeners):
                listener(state)

    # -- connecting -------------------------------------------------------------------

    def connect(self) -> ipyparallel.Client | None:
        """Return a client of the profile's running cluster; start nothing.

        Returns
        -------
        ipyparallel.Client or None
            None if no controller of the profile answers.

        Raises
        ------
        ConnectFailed
            If one accepts connections but does not complete the handshake.
        """
        with self._lock:
            if self._client is not None:
                return self._client
            for connection in profiles.connections(self.profile):
                # A private cluster is another session's and ends with it.
                if connection.cluster_id.startswith(PRIVATE) or not connection.answers():
                    continue
                if connection.readable_by_others():
                    logger.warning(
                        "the connection file %s can be read by other users, who could run code "
                        "as you: make it private (chmod 600)",
                        connection.path,
                    )
                return self._connect_to(connection)
            return None

    def _connect_to(self, connection: profiles.Connection) -> ipyparallel.Client:
        import ipyparallel

        self._enter(State.CONNECTING)
        try:
            client = ipyparallel.Client(str(connection.path), timeout=CONNECT_SECONDS)
        except Exception as e:
            self._enter(State.NO_CLUSTER)
            raise ConnectFailed(
                f"the controller of the profile {self.profile} at {connection.host}:"
                f"{connection.port} does not answer: {e}. Stop it (ipcluster stop "
                f"--profile={self.profile}) or choose another profile."
            ) from e
        self._client = client
        self._enter(State.ENGINES if client.ids else State.CONTROLLER)
        return client

    # -- starting ---------------------------------------------------------------------

    def prepare(self) -> None:
        """Begin to connect or start in a thread, so that it overlaps other work.

        A failure is raised by the next `ensure_engines`.
        """
        with self._lock:
            if self._preparation is None and self._client is None:
                executor = ThreadPoolExecutor(1, thread_name_prefix="parallelflow-prepare")
                self._preparation = executor.submit(self._ensure, True)
                executor.shutdown(wait=False)

    def ensure_engines(self, ask: bool = True) -> ipyparallel.Client | None:
        """Return a client with at least one engine; start what is missing if allowed.

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
        """
        preparation, self._preparation = self._preparation, None
        if preparation is not None:
            # Polled, so that Ctrl-C arrives here and not when the start has ended.
            while not preparation.done():
                time.sleep(LOOK_SECONDS)
            preparation.result()
        self._ensure(ask)
        client = self._client
        return client if client is not None and client.ids else None

    def _ensure(self, ask: bool) -> None:
        with self._lock:
            client = self._client if self.private else self.connect()
            running = len(client.ids) if client is not None else 0
            if not ask or (running and running >= (self.engines_wanted or 0)):
                return
            wanted = self.engines_wanted if running else None
            if wanted is None:
                wanted = self.interaction.engines_to_start(self.profile, self.suggested_engines())
            if wanted > running:
                self.start_engines(wanted - running)

    def start_engines(self, n: int) -> None:
        """Start n engines, and a controller first if the profile has none.

        Returns when all have registered. A transaction: if anything fails or the
        user cancels, what this call started is stopped again.

        Raises
        ------
        ControllerFailed, ConnectFailed, EnginesFailed
            With the end of the log of what failed.
        StartCancelled
            If the interaction says that the user gave up.
        """
        with self._lock:
            try:
                new = 0 if self._record is None else len(self._record.processes)
                before = set() if self._client is None else set(self._client.ids)
                launch = self._start_launch()
                if self._client is None:
                    self._start_controller(launch)
                assert self._record is not None
                self._record.add(launch.start_engines(n))
                self._wait_for_engines(launch, before, n)
            except BaseException:
                self._undo(new)
                raise
            self._enter(State.ENGINES)

    def _start_launch(self) -> Launch:
        if self._launch is None:
            from .launch import Launch

            folder = profiles.ensure_folder(self.profile)
            cluster_id = f"{PRIVATE}{os.getpid()}" if self.private else ""
            self._record = SessionRecord.of_this_session(folder, cluster_id)
            self._launch = Launch(folder, cluster_id, self._record.token)
            self._guard = Guard(self._record, {**os.environ, **self._launch.environment})
            atexit.register(self.stop)
        return self._launch

    def _start_controller(self, launch: Launch) -> None:
        self._enter(State.CONNECTING)
        assert self._record is not None
        # A dead cluster's files would be taken for the new one's.
        launch.remove_connection_files()
        controller = launch.start_controller()
        self._record.add([controller] if controller else [])
        launch.wait_for_controller()
        cluster_id = self._record.cluster_id
        for connection in profiles.connections(self.profile):
            if connection.cluster_id == cluster_id:
                self._connect_to(connection)
                return
        raise ConnectFailed(
            f"the controller of the profile {self.profile} has started but left no connection "
            "file here: if its launcher starts it elsewhere, the profile's folder must be shared."
        )

    def _wait_for_engines(self, launch: Launch, before: set[int], n: int) -> None:
        assert self._client is not None and self._record is not None
        deadline = time.monotonic() + ENGINES_SECONDS
        started = self._record.processes[-n:]
        while len(new := set(self._client.ids) - before) < n:
            dead = [p for p in started if not p.alive()]
            late = time.monotonic() > deadline
            if dead or late:
                tail, path = launch.engine_log()
                why = f"{len(dead)} ended" if dead else f"did not register in {ENGINES_SECONDS:.0f} s"
                raise EnginesFailed(
                    f"{len(new)} of {n} engines of the profile {self.profile} came up; {why}.",
                    tail,
                    path,
                    wanted=n,
                    ready=len(new),
                )
            if self.interaction.cancelled():
                raise StartCancelled("the start of the engines was cancelled; they were stopped.")
            time.sleep(LOOK_SECONDS)

    def _undo(self, keep: int) -> None:
        """Stop what the session has started beyond its first `keep` processes."""
        if self._record is None or keep == 0:
            self.stop()
            return
        stop_trees(self._record.processes[keep:])
        del self._record.processes[keep:]
        self._record.write()

    # -- stopping ---------------------------------------------------------------------

    def stop(self) -> None:
        """Stop exactly what this session started, whole process trees; idempotent.

        Bounded: SIGTERM, `processes.TERM_SECONDS`, SIGKILL. A cluster that was only
        connected to goes on.
        """
        if os.getpid() != self._owner:
            return  # a forked child owns nothing
        with self._lock:
            self._preparation = None
            client, self._client = self._client, None
            if client is not None:
                client.close()
            if self._record is not None:
                left = stop_trees(self._record.processes)
                self._record.processes = [p for p in self._record.processes if p.pid in left]
                self._record.write()
            if self._launch is not None:
                self._launch.forget()
                self._launch.close()
            if self._guard is not None:
                self._guard.release()
            self._record = self._launch = self._guard = None
            atexit.unregister(self.stop)
            self._enter(State.NO_CLUSTER)

    def started(self) -> list[int]:
        """Return the pids of the running processes that this session started."""
        with self._lock:
            return [p.pid for p in self._record.alive()] if self._record else []


PRIVATE = "parallelflow-run-"
"""How the ids of private clusters begin: other sessions do not connect to them."""

_manager: EngineManager | None = None
_manager_lock = threading.Lock()


def get_manager() -> EngineManager:
    """Return this process' engine manager, made at the first call."""
    global _manager
    with _manager_lock:
        if _manager is None or _manager._owner != os.getpid():
            _manager = EngineManager()
        return _manager

