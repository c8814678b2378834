"""The one owner of what changes: the connection, the session, the state, and their lock.

Whatever starts, stops, watches or provides engines is given a `Cluster` and uses its public face.
It is one file, though a long one: whoever wants to know what changes the state finds it here.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parallelflow.errors import ClusterError, ConnectFailed

from .connection import connection_files
from .connection.cluster_connection import CONNECT_SECONDS, connect
from .interaction import ConsoleInteraction, Interaction
from .model import State
from .options import PRIVATE_CLUSTER_PREFIX, ClusterOptions
from .system import profiles
from .system.records import read, read_all, session_name, stop_abandoned
from .system.standard_files import open_standard_files

if TYPE_CHECKING:
    import ipyparallel

    from .connection.cluster_connection import ClusterConnection
    from .session import Session
    from .system.records import SessionRecord

__all__ = ["Cluster"]

# A controller on this machine answers in a millisecond, a busy one in some more.
AT_ONCE_SECONDS = 0.06

logger = logging.getLogger(__name__)


class Cluster:
    """The cluster of a session: what it is connected to, and what it has started.

    Methods that change it take the lock, or are called with it held; queries never wait for it.

    Parameters
    ----------
    options : ClusterOptions
        The profile and the other options.
    interaction : Interaction, optional
        Who is asked and told; the terminal's defaults if not given.

    Attributes
    ----------
    options : ClusterOptions
        As given.
    interaction : Interaction
        Who is asked and told.
    state : State
        Where the session stands with its cluster; see `on_state`.
    connection : ClusterConnection or None
        The connection to the controller, None if there is none.
    session : Session or None
        What this session has started, None if that is nothing.
    lock : threading.RLock
        Held while the cluster is changed, which may take seconds.
    ends_on_purpose : int
        How often this session has stopped what it had started, or shut the cluster down.
    """

    def __init__(self, options: ClusterOptions, interaction: Interaction | None = None) -> None:
        # Before there are sockets, or one might be what a child of this process prints into.
        open_standard_files()
        self.options = options
        self.interaction: Interaction = interaction or ConsoleInteraction()
        self.state = State.NO_CLUSTER
        self.connection: ClusterConnection | None = None
        self.session: Session | None = None
        self.lock = threading.RLock()
        self.ends_on_purpose = 0
        self._listeners: list[Callable[[State], None]] = []
        self._starts: set[threading.Event] = set()
        self._owner = os.getpid()

    @property
    def profile(self) -> str:
        """The IPython profile."""
        return self.options.profile

    @property
    def folder(self) -> Path:
        """The profile's folder, whether it exists or not."""
        return profiles.profile_folder(self.profile)

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child's copy: nothing of it is the child's own."""
        return os.getpid() != self._owner

    # -- state ------------------------------------------------------------------------

    def on_state(self, listener: Callable[[State], None]) -> Callable[[], None]:
        """Register a listener for changes of state; see `EngineManager.on_state`."""
        self._listeners.append(listener)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def enter(self, state: State) -> None:
        """Change the state and call the listeners, if it is another one."""
        if state is not self.state:
            self.state = state
            for listener in list(self._listeners):
                try:
                    listener(state)
                except Exception:
                    logger.exception("a listener of the cluster's state failed")

    def refresh(self) -> None:
        """Enter the state that follows from the connection."""
        connection = self.connection
        if connection is None:
            self.enter(State.NO_CLUSTER)
        elif connection.lost:
            self.enter(State.LOST)
        else:
            self.enter(State.ENGINES if connection.ids else State.CONTROLLER)

    def alive(self) -> bool:
        """Return True if the cluster lives, as far as is known; returns at once.

        For runs: False as soon as a process of the controller that they need has ended, when it
        was stopped for some seconds, or, if it is on another machine, when it has not answered
        for 8.5 s.
        """
        return self.live_connection() is not None

    def live_connection(self) -> ClusterConnection | None:
        """Return the connection, None if there is none or the controller does not live."""
        connection = self.connection
        if connection is None or connection.lost or not connection.alive():
            return None
        return connection

    def fault(self) -> str:
        """Return why the controller has ended or failed, empty if that is not known."""
        connection = self.connection
        if connection is None or (connection.alive() and not connection.lost):
            return ""
        return connection.why_ended()

    def tokens(self) -> tuple[str, ...]:
        """Return the tokens of what this session has started (see `processes.TOKEN_VARIABLE`)."""
        session = self.session
        return (session.record.token,) if session is not None else ()

    # -- the connection ---------------------------------------------------------------

    def connect(self) -> ipyparallel.Client | None:
        """Return a client of the profile's running cluster; start nothing.

        What a killed session has left on the profile without wanting to is stopped first.

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
        connection = self.connection
        if connection is not None and connection.alive():
            return connection.client  # also while engines are being started, which takes long
        with self.lock:
            self.drop_lost()
            if self.connection is not None:
                return self.connection.client
            stop_abandoned(self.folder)
            return self._connect_to_any(connection_files.ANSWER_SECONDS)

    def connect_without_waiting(self) -> ipyparallel.Client | None:
        """Return a client as `connect` does, or None where that would take time.

        Nothing is waited for: not a start under way, not processes that end, and not a distant
        controller.
        """
        connection = self.connection
        if connection is not None and connection.alive():
            return connection.client
        if any(record.abandoned for record in read_all(self.folder)):
            return None
        if not self.lock.acquire(blocking=False):
            return None
        try:
            if connection is not None and connection is self.connection:
                session = self.session
                if session is not None and session.record.alive():
                    return None  # what is left of it takes a while to stop
                self.end_session()
                self.drop_connection()
            return None if self.connection is not None else self._connect_to_any(AT_ONCE_SECONDS)
        finally:
            self.lock.release()

    def _connect_to_any(self, seconds: float) -> ipyparallel.Client | None:
        """Connect to the first controller of the profile that answers in time."""
        # A private cluster is another session's and ends with it.
        found = [
            file
            for file in connection_files.connections(self.profile)
            if not file.cluster_id.startswith(PRIVATE_CLUSTER_PREFIX)
        ]
        for file in connection_files.that_answer(found, seconds):
            try:
                return self.connect_to(file)
            except ConnectFailed:
                # It may have ended just now.
                if file.path.exists() and file.answers(seconds):
                    raise
        self.enter(State.NO_CLUSTER)
        return None

    def connect_to(
        self, file: connection_files.ConnectionFile, seconds: float = CONNECT_SECONDS
    ) -> ipyparallel.Client:
        """Connect to the controller of a connection file, and watch over the connection.

        Parameters
        ----------
        file : ConnectionFile
            The file.
        seconds : float
            How long the controller may take to answer.

        Raises
        ------
        ConnectFailed
            If it does not complete the handshake.
        """
        for path in file.open_to_others():
            self.interaction.tell(
                f"the connection file {path} can be read by other users, who could run "
                "programs as you: make it private (chmod 600)"
            )
        self.enter(State.CONNECTING)
        try:
            connection = connect(file, self.profile, seconds)
        except BaseException:
            self.enter(State.NO_CLUSTER)
            raise
        self.connection = connection
        connection.meet()
        connection.watch(self._on_watch_round)
        self.refresh()
        return connection.client

    def _on_watch_round(self, connection: ClusterConnection) -> None:
        """React to what the watch over a connection has seen; in its thread."""
        if connection is not self.connection:
            return
        if self.state is not State.CONNECTING:
            self.refresh()
        session = self.session
        if session is None:
            return
        if not connection.lost:
            session.keep_guard()
            session.note_facts(connection)
        elif self.lock.acquire(blocking=False):
            # Nobody else can use what is left of it: orphaned schedulers, waiting engines.
            try:
                if session is self.session and session.record.alive():
                    session.stop_processes()
            finally:
                self.lock.release()

    def check_connected(self, connection: ClusterConnection) -> None:
        """Raise unless a connection is still the session's.

        Raises
        ------
        ClusterError
            If it is not.
        """
        if self.connection is not connection or not connection.alive():
            raise ClusterError(f"The profile {self.profile!r} has another cluster now, or none.")

    def set_limits(self, limits: dict[str, Any]) -> None:
        """Note between how many engines the cluster adapts itself, beside its controller.

        Raises
        ------
        ClusterError
            If Parallel Flow has not started its controller on this machine.
        """
        connection, session = self.connection, self.session
        cluster_id = connection.file.cluster_id if connection is not None else ""
        own = [session.record] if session is not None else []
        for record in [*own, *read_all(self.folder)]:
            kinds = [p.kind for p in record.processes] + [j.kind for j in record.jobs]
            if record.here and record.cluster_id == cluster_id and "controller" in kinds:
                record.elastic = limits
                record.write()
                return
        raise ClusterError(
            f"The controller of the profile {self.profile!r} was not started by Parallel Flow on "
            "this machine, so that its number of engines cannot follow the work. Stop it, or "
            "choose another profile."
        )

    def drop_lost(self) -> None:
        """End the connection to a cluster that has gone, and stop what is left of it here."""
        connection = self.connection
        if connection is not None and not connection.alive():
            self.end_session()
            self.drop_connection()
            connection.wait_for_end()

    def drop_connection(self) -> None:
        """End the connection, if there is one; nothing is stopped."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    # -- what this session has started ------------------------------------------------

    def begin_session(self) -> Session:
        """Return what records this session's processes on the cluster; made where missing."""
        from .session import Session

        if self.session is None:
            folder = profiles.ensure_folder(self.profile)
            if self.connection is not None:
                cluster_id = self.connection.file.cluster_id
            elif self.options.private:
                cluster_id = f"{PRIVATE_CLUSTER_PREFIX}{session_name()}"
            else:
                cluster_id = ""
            self.session = Session(folder, cluster_id)
            atexit.register(self.stop)
        return self.session

    def end_session(self) -> list[int]:
        """Stop what this session has started; return the pids that run in spite of all."""
        session, self.session = self.session, None
        if session is None:
            return []
        if session.owns_controller:
            self.drop_connection()
        left = session.stop()
        self.report_failed_jobs(session.record)
        atexit.unregister(self.stop)
        return left

    def leave_session(self) -> Path | None:
        """Leave what this session has started running; stay connected.

        Returns
        -------
        Path or None
            The record of it, by which another session can take it over; None if it is nothing.

        Raises
        ------
        ProfileError
            If the record of it cannot be written; it stays this session's then.
        """
        session = self.session
        if session is not None:
            if self.connection is not None:
                session.note_facts(self.connection)
            session.leave()
            self.session = None
            atexit.unregister(self.stop)
        return None if session is None else session.record.path

    def take_over(self, path: Path) -> bool:
        """Go on with what another session has left running for this one.

        Parameters
        ----------
        path : Path
            The record of that session.

        Returns
        -------
        bool
            False if that cannot be used; it is stopped then.
        """
        from .session import Session

        record = read(path)
        if record is None or not (record.here and record.keep) or path.parent.parent != self.folder:
            return False
        self.session = Session(self.folder, record.cluster_id, record)
        atexit.register(self.stop)
        for file in connection_files.connections(self.profile):
            if file.cluster_id == record.cluster_id and file.answers():
                with contextlib.suppress(ConnectFailed):
                    self.connect_to(file)
                    return True
        self.end_session()
        return False

    def report_failed_jobs(self, record: SessionRecord) -> None:
        """Tell the user which jobs of a record could not be ended."""
        for line in record.not_ended:
            self.interaction.tell(line)

    def started(self) -> list[int]:
        """Return the pids of the running processes that this session started."""
        session = self.session
        return [p.pid for p in session.record.alive()] if session is not None else []

    def stop(self) -> list[int]:
        """Cancel starts, stop what this session has started, end the connection; idempotent.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        if self.is_inherited:
            return []
        self.ends_on_purpose += 1
        self.cancel_starts()
        with self.lock:
            self.drop_connection()
            left = self.end_session()
            self.enter(State.NO_CLUSTER)
            return left

    # -- starts under way -------------------------------------------------------------

    @contextlib.contextmanager
    def start_under_way(self, cancel: threading.Event) -> Iterator[None]:
        """Let `cancel_starts` set an event while the block runs."""
        self._starts.add(cancel)
        try:
            yield
        finally:
            self._starts.discard(cancel)

    def cancel_starts(self) -> None:
        """Cancel the starts of engines that are under way, and those that wait to begin."""
        for cancel in list(self._starts):
            cancel.set()
