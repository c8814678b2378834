"""The manager's settings, its state, and its connection to the profile's cluster."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from parallelflow import progress
from parallelflow.errors import ConnectFailed

from .connection import cluster_connection as links
from .connection import connection_files as connections
from .interaction import ConsoleInteraction, Interaction
from .model import State
from .system import profiles
from .system.records import read_all, stop_abandoned
from .system.standard_files import open_standard_files

if TYPE_CHECKING:
    import ipyparallel

    from .connection.cluster_connection import Link
    from .session import Session
    from .system.records import SessionRecord

__all__ = ["PRIVATE", "ManagerCore"]

PRIVATE = "parallelflow-run-"
"""How the ids of private clusters begin: other sessions do not connect to them."""

# A controller on this machine answers in a millisecond, a busy one in some more.
AT_ONCE_SECONDS = 0.06

logger = logging.getLogger(__name__)


class ManagerCore:
    """What every part of the manager builds on; see `EngineManager`.

    Parameters
    ----------
    profile : str
        The IPython profile.
    interaction : Interaction, optional
        Who is asked and told; the terminal's defaults if not given.

    Attributes
    ----------
    profile : str
        The IPython profile.
    state : State
        Where the manager stands with its cluster; see `on_state`.
    engines_wanted : int or None
        The configured number of engines, None for one per core.
    launcher : str or None
        The configured launcher, None for the profile's own.
    private : bool
        Whether a cluster that is started is hidden from other sessions.
    """

    def __init__(self, profile: str = "default", interaction: Interaction | None = None) -> None:
        # Before there are sockets, or one might be what a child of this process prints into.
        open_standard_files()
        self.profile = profile
        self.interaction: Interaction = interaction or ConsoleInteraction()
        self.engines_wanted: int | None = None
        self.launcher: str | None = None
        self.private = False
        self.state = State.NO_CLUSTER
        self._listeners: list[Callable[[State], None]] = []
        self._lock = threading.RLock()
        self._link: Link | None = None
        self._session: Session | None = None
        self._runs: dict[int, progress.Snapshot] = {}
        self._owner = os.getpid()
        progress.listen(self._take_progress)

    # -- state ------------------------------------------------------------------------

    def on_state(self, listener: Callable[[State], None]) -> Callable[[], None]:
        """Have every new state.

        Parameters
        ----------
        listener : callable
            Called with the state, in the thread that changes it; must return at once.

        Returns
        -------
        callable
            Call it to stop listening.
        """
        self._listeners.append(listener)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def _enter(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            for listener in list(self._listeners):
                try:
                    listener(state)
                except Exception:
                    logger.exception("a listener of the cluster's state failed")

    def _refresh(self) -> None:
        """Enter the state that follows from the connection."""
        cluster = self._link
        if cluster is None:
            self._enter(State.NO_CLUSTER)
        elif cluster.lost:
            self._enter(State.LOST)
        else:
            self._enter(State.ENGINES if cluster.ids else State.CONTROLLER)

    def alive(self) -> bool:
        """Whether the cluster lives, as far as is known; returns at once.

        For runs: false as soon as a process of the controller that they need has ended, when it
        was stopped for some seconds, or, if it is on another machine, when it has not answered
        for 8.5 s.
        """
        cluster = self._link
        return cluster is not None and not cluster.lost and cluster.alive()

    def fault(self) -> str:
        """Return which part of the controller has failed, empty if that is not known."""
        cluster = self._link
        return cluster.fault if cluster is not None else ""

    def runs(self) -> tuple[progress.Snapshot, ...]:
        """Return this session's runs under way (a Map, a `parallel_map`), the oldest first."""
        return tuple(self._runs[number] for number in sorted(self._runs))

    def _take_progress(self, snapshot: progress.Snapshot) -> None:
        if snapshot.state.over:
            self._runs.pop(snapshot.run, None)
        else:
            self._runs[snapshot.run] = snapshot

    def tokens(self) -> tuple[str, ...]:
        """Return the marks of what this session has started (see `processes.MARK`)."""
        session = self._session
        return (session.record.token,) if session is not None else ()

    # -- connecting -------------------------------------------------------------------

    def connect(self, at_once: bool = False) -> ipyparallel.Client | None:
        """Return a client of the profile's running cluster; start nothing.

        What a killed session has left on the profile without wanting to is stopped first.

        Parameters
        ----------
        at_once : bool
            Whether to wait for nothing: not for a start under way, for processes that end, or
            for a distant controller. None is returned then, as if there were no cluster.

        Returns
        -------
        ipyparallel.Client or None
            None if no controller of the profile answers. At most 0.7 s, whatever connection
            files dead controllers have left.

        Raises
        ------
        ConnectFailed
            If one accepts connections but does not complete the handshake.
        """
        cluster = self._link
        if cluster is not None and cluster.alive():
            return cluster.client  # also while engines are being started, which may take hours
        folder = profiles.profile_folder(self.profile)
        if at_once:
            if any(record.abandoned for record in read_all(folder)):
                return None
            if not self._lock.acquire(blocking=False):
                return None
            try:
                if cluster is not None and cluster is self._link:
                    session = self._session
                    if session is not None and session.record.alive():
                        return None  # what is left of it takes a while to stop
                    self._end_session()
                    self._drop_link()
                return None if self._link is not None else self._connect_to_any(AT_ONCE_SECONDS)
            finally:
                self._lock.release()
        with self._lock:
            self._drop_lost()
            if self._link is not None:
                return self._link.client
            stop_abandoned(folder)
            return self._connect_to_any(connections.ANSWER_SECONDS)

    def _connect_to_any(self, seconds: float) -> ipyparallel.Client | None:
        """Connect to the first controller of the profile that answers in time."""
        # A private cluster is another session's and ends with it.
        found = [
            connection
            for connection in connections.connections(self.profile)
            if not connection.cluster_id.startswith(PRIVATE)
        ]
        for connection in connections.that_answer(found, seconds):
            try:
                return self._connect_to(connection)
            except ConnectFailed:
                # It may have ended just now.
                if connection.path.exists() and connection.answers(seconds):
                    raise
        self._enter(State.NO_CLUSTER)
        return None

    def _connect_to(self, connection: connections.Connection) -> ipyparallel.Client:
        for path in connection.open_to_others():
            self.interaction.tell(
                f"the connection file {path} can be read by other users, who could run "
                "programs as you: make it private (chmod 600)"
            )
        self._enter(State.CONNECTING)
        try:
            cluster = links.connect(connection, self.profile)
        except BaseException:
            self._enter(State.NO_CLUSTER)
            raise
        self._link = cluster
        cluster.meet()
        cluster.watch(self._look)
        self._refresh()
        return cluster.client

    def _look(self, cluster: Link) -> None:
        """Take note of what the watch over a connection has seen; in its thread."""
        if cluster is not self._link:
            return
        if self.state is not State.CONNECTING:
            self._refresh()
        session = self._session
        if session is None:
            return
        if not cluster.lost:
            session.keep_guard()
            session.note_facts(cluster)
        elif self._lock.acquire(blocking=False):
            # Nobody else can use what is left of it: orphaned schedulers, waiting engines.
            try:
                if session is self._session and session.record.alive():
                    session.record.stop()
            finally:
                self._lock.release()

    def _drop_lost(self) -> None:
        """End the connection to a cluster that has gone, and what is left of it here."""
        cluster = self._link
        if cluster is not None and not cluster.alive():
            self._end_session()
            self._drop_link()
            cluster.wait_for_end()

    def _drop_link(self) -> None:
        cluster, self._link = self._link, None
        if cluster is not None:
            cluster.close()

    def _end_session(self) -> list[int]:
        """Stop what this session started; returns the pids that run in spite of all."""
        session, self._session = self._session, None
        if session is None:
            return []
        if session.owns_controller:
            self._drop_link()
        left = session.stop()
        self._tell_of(session.record)
        atexit.unregister(self.stop)
        return left

    def _tell_of(self, record: SessionRecord) -> None:
        """Tell which jobs of a record could not be ended."""
        for line in record.not_ended:
            self.interaction.tell(line)

    def stop(self) -> list[int]:
        """Stop what this session started; see `EngineManager`."""
        raise NotImplementedError
