"""The engine manager: starts a profile's cluster, tells of it, stops what it started."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from pathlib import Path

from parallelflow.errors import EngineUnreachable, ProfileError
from parallelflow.settings import settings
from parallelflow.system.safe_files import is_folder

from .cluster import PRIVATE
from .connection.user_interrupts import record_user_interrupt
from .interaction import Interaction
from .model import (
    Inventory,
    LauncherChoice,
    LaunchPreview,
    Origin,
    ProfileInfo,
    ShutdownPlan,
    Stage,
    StartSnapshot,
    State,
)
from .model.information import ClusterInfo
from .monitor import Gatherer
from .provision import Progress
from .replacement import EngineReplacer
from .system import profiles

__all__ = ["PRIVATE", "EngineManager", "State", "get_manager"]

# Engines of a batch system are waited for as long as they are queued.
BUSY_SECONDS = 3.0

logger = logging.getLogger(__name__)


class EngineManager(EngineReplacer):
    """One owner of the controller and engines that this process uses or starts.

    Methods may be called from any thread. Those that change the cluster wait for another
    that does to finish first, and may take seconds: a window calls them from a worker
    thread. `state`, `alive`, `runs`, `info` and `suggested_engines` never wait for those.

    Parameters
    ----------
    profile : str
        The IPython profile.
    interaction : Interaction, optional
        Who is asked and told; the terminal's defaults if not given.
    """

    def __init__(self, profile: str = "default", interaction: Interaction | None = None) -> None:
        super().__init__(profile, interaction)
        self._gatherer = Gatherer()

    # -- settings ---------------------------------------------------------------------

    def configure(
        self,
        profile: str | None = None,
        engines: int | None = None,
        private: bool | None = None,
        launcher: str | None = None,
    ) -> None:
        """Set what to use, and what to start where there is nothing to use.

        Parameters
        ----------
        profile : str, optional
            The IPython profile; None leaves it as it is. What was started on the one before
            is stopped; see `change_profile` for other ways.
        engines : int, optional
            How many engines to start, at least 1; None: one per core.
        private : bool, optional
            Whether a cluster that has to be started is hidden from other sessions,
            because it ends with this one.
        launcher : str, optional
            ipyparallel's short name of the launcher to start engines with, see `launchers`.

        Raises
        ------
        ProfileError
            If the profile's name is not valid.
        ValueError
            If `engines` is below 1.
        """
        if engines is not None and engines < 1:
            raise ValueError(f"at least 1 engine is needed, not {engines}")
        if profile is not None:
            self.change_profile(profile)
        with self._lock:
            if engines is not None:
                self.engines_wanted = engines
            if private is not None:
                self.private = private
            if launcher is not None:
                self.launcher = launcher

    # -- Start new engine processes ---------------------------------------------------

    def start_engines(
        self,
        n: int | None = None,
        launcher: str | None = None,
        *,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        until: Stage = Stage.READY,
    ) -> int:
        """Start n engines, and a controller first if the profile has none.

        A transaction: if anything fails or the user cancels, what this call started is
        stopped again. Bounded, but for jobs that wait in a batch system's queue.

        Parameters
        ----------
        n : int, optional
            How many, at least 1; `suggested_engines` if not given, counted when no other session
            starts any.
        launcher : str, optional
            ipyparallel's short name of a launcher, see `launchers`; the configured one, else
            the profile's own if not given.
        progress : callable, optional
            Called with a `StartSnapshot` at every change, in this thread.
        cancel : threading.Event, optional
            Set it to give up.
        until : Stage
            When to return: all have ``REGISTERED``, or VisTrails is ``READY`` on all.

        Returns
        -------
        int
            How many were started.

        Raises
        ------
        ControllerFailed, ConnectFailed, EnginesFailed
            With the log of what failed.
        StartCancelled
            If the user gave up.
        ProfileError
            If the profile's folder cannot be used.
        UserMistake
            If there is no such launcher, or no room for as many.
        ValueError
            If n is below 1.
        """
        still = None if n is not None else lambda _: self.suggested_engines()
        n = self.suggested_engines() if n is None else n
        if n < 1:
            raise ValueError(f"at least 1 engine has to be started, not {n}")
        cancel = cancel or threading.Event()
        return self._start(n, launcher, progress or _nobody, cancel, until, still)

    def launchers(self) -> list[LauncherChoice]:
        """Return the launchers that ipyparallel offers, those on this machine first."""
        from .launch import launchers

        return launchers.choices(launchers.cluster_of(self._folder()))

    def launch_preview(self, launcher: str, n: int) -> LaunchPreview:
        """Return the command or job script by which a launcher would start n engines.

        Raises
        ------
        UserMistake
            If there is no such launcher, or no room for as many.
        ClusterError
            If the profile's configuration cannot be read.
        """
        from .launch import launchers

        self.check_number(n, launcher)
        return launchers.preview(
            self._folder(), launcher.strip().lower(), n, self._link is not None
        )

    def _folder(self) -> Path:
        folder = profiles.profile_folder(self.profile)
        # ipyparallel makes it where it is missing, as the umask says.
        return folder if is_folder(folder) else profiles.ensure_folder(self.profile)

    # -- Show information on the cluster ------------------------------------------------

    def info(self) -> ClusterInfo:
        """Return what is known of the cluster now; at most half a second.

        Engines are not touched: the hub tells of their queues, the system of the CPU and
        memory of those on this machine; host, pid and versions were asked when they
        registered.
        """
        return self._gatherer.gather(self)

    def stop_engine(self, engine: int) -> None:
        """Stop one engine, whatever it does; its work fails. At most 8 s.

        Raises
        ------
        ClusterError
            If there is no such engine, or it cannot be stopped from here.
        """
        from . import stop as stopping

        if not self._lock.acquire(timeout=BUSY_SECONDS):
            raise EngineUnreachable(
                "engines are being started or stopped; try again when that has ended, or cancel it."
            )
        try:
            stopping.stop_engine(self, engine)
        finally:
            self._lock.release()

    def interrupt_engine(self, engine: int) -> None:
        """Interrupt what an engine works at; it lives on.

        Raises
        ------
        ClusterError
            If there is no such engine, or it does not take the signal.
        """
        from . import stop as stopping

        cluster = self._link
        if cluster is not None:
            record_user_interrupt(cluster.client, engine)
        stopping.interrupt_engine(self, engine)

    # -- Change profile -----------------------------------------------------------------

    def profiles(self) -> list[ProfileInfo]:
        """Return the IPython profiles and what runs on each; ``default`` first.

        At most 0.6 s, since all that seem to run are asked at once.
        """
        from . import profile_overview as overview

        return overview.profiles(self.profile, self.tokens())

    def create_profile(self, name: str) -> None:
        """Make a new IPython profile, as ``ipython profile create`` does.

        Raises
        ------
        ProfileError
            If the name is not valid or taken, or the folder cannot be written.
        """
        profiles.create(name)

    def change_profile(self, name: str, leave: bool = False) -> None:
        """Use another profile from now on; what was started on this one is stopped or left.

        Parameters
        ----------
        name : str
            The profile.
        leave : bool
            Whether what was started here is left running; see `leave_running`.

        Raises
        ------
        ProfileError
            If the name is not valid, or what runs cannot be left; nothing has changed then.
        """
        profiles.check_name(name)
        if name == self.profile:
            return
        self._cancel_starts()
        with self._lock:
            if leave:
                self.leave_running()
            self.stop()
            self.profile = name

    # -- Cleanup started processes --------------------------------------------------------

    def inventory(self) -> Inventory:
        """Return what runs of the profile that Parallel Flow has started, and who did."""
        from .system.origins import Origins

        processes = tuple(Origins(self).running())
        return Inventory(self.profile, processes, len(self._runs))

    def stop(self) -> list[int]:
        """Stop exactly what this session started, whole process trees; idempotent.

        Bounded: SIGTERM, `processes.TERM_SECONDS`, SIGKILL. A start under way is cancelled. A
        cluster that was only connected to goes on, as does what was left running.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        if os.getpid() != self._owner:
            return []  # a forked child owns nothing
        self._cancel_starts()
        with self._lock:
            self._preparation = None
            self._drop_link()
            left = self._end_session()
            self._enter(State.NO_CLUSTER)
            return left

    def cleanup(self) -> list[int]:
        """Stop what this session started and what earlier ones left running; bounded.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        from .system.origins import origin_of
        from .system.records import read_all

        self._cancel_starts()
        with self._lock:
            left = self.stop()
            for record in read_all(profiles.profile_folder(self.profile)):
                if origin_of(record) is Origin.LEFT:
                    left += record.stop()
                    self._tell_of(record)
            return left

    def leave_running(self) -> None:
        """Leave what this session started running when it ends; it stays connected.

        The next session finds and uses it, and can stop it. A start under way is cancelled.

        Raises
        ------
        ProfileError
            If the record of it cannot be written; it stays this session's then.
        """
        self._cancel_starts()
        with self._lock:
            session = self._session
            if session is not None:
                if self._link is not None:
                    session.note_facts(self._link)
                session.leave()
                self._session = None
                atexit.unregister(self.stop)

    # -- Request cluster shutdown -----------------------------------------------------------

    def shutdown_plan(self) -> ShutdownPlan | None:
        """Return what a shutdown would end, None if there is no connection; at most 0.5 s."""
        from . import stop as stopping

        return stopping.plan(self)

    def shutdown_cluster(self) -> list[str]:
        """Have the hub stop everything, also what was started elsewhere, and follow it up.

        Running tasks are interrupted. At most 20 s.

        Returns
        -------
        list of str
            What did not stop, one line each; empty if all is gone.

        Raises
        ------
        NoEngines
            If there is no cluster.
        """
        from . import stop as stopping

        self._cancel_starts()
        with self._lock:
            return stopping.shutdown(self)

    def started(self) -> list[int]:
        """Return the pids of the running processes that this session started."""
        session = self._session
        return [p.pid for p in session.record.alive()] if session is not None else []


def _nobody(snapshot: StartSnapshot) -> None:
    """Be told of a start by nobody."""


_manager: EngineManager | None = None
_manager_lock = threading.Lock()


def get_manager() -> EngineManager:
    """Return this process' engine manager, made at the first call by the settings in force."""
    global _manager
    with _manager_lock:
        if _manager is None or _manager._owner != os.getpid():
            known = settings()
            try:
                _manager = EngineManager(profiles.check_name(known.profile))
            except ProfileError as e:
                logger.warning("Parallel Flow's configuration: %s", e)
                _manager = EngineManager()
            _manager.launcher = known.launcher or None
        return _manager
