"""The engine manager: what can be asked of a profile's cluster, and which part does it.

The public methods stand here with their documentation, which makes the file long; each hands its
work to one of the parts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from parallelflow.errors import EngineUnreachable, ProfileError
from parallelflow.settings import settings
from parallelflow.system.safe_files import is_folder

from . import stop
from .cluster import Cluster
from .connection.user_interrupts import record_user_interrupt
from .elastic import Scaler
from .interaction import Interaction
from .model import (
    Inventory,
    LauncherChoice,
    LaunchPreview,
    Limits,
    Origin,
    ProfileInfo,
    ShutdownPlan,
    Stage,
    StartSnapshot,
    State,
)
from .model.information import ClusterInfo
from .monitor import ClusterInspector
from .options import ClusterOptions
from .provision import EngineProvisioner
from .replacement import EngineReplacer
from .runs import RunsUnderWay
from .start_progress import ignore_progress
from .start_request import StartRequest
from .starter import EngineStarter
from .system import profiles

if TYPE_CHECKING:
    import ipyparallel

    from parallelflow.progress import Snapshot

    from .engine_pool import EnginePool

__all__ = ["EngineManager", "State", "get_manager"]

# Engines of a batch system are waited for as long as they are queued.
BUSY_SECONDS = 3.0

logger = logging.getLogger(__name__)


class EngineManager:
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
        self._options = ClusterOptions(profile)
        self._runs = RunsUnderWay()
        self._cluster = Cluster(self._options, interaction)
        self._starter = EngineStarter(self._cluster, self.runs)
        self._scaler = Scaler(self._cluster, self._runs)
        self._replacer = EngineReplacer(self._cluster, self._starter, self._scaler)
        self._provisioner = EngineProvisioner(
            self._cluster, self._starter, self._replacer, self._scaler
        )
        self._inspector = ClusterInspector(self._cluster, self._runs, self._scaler.limits)

    @property
    def cluster(self) -> Cluster:
        """What the session is connected to, and what it has started."""
        return self._cluster

    @property
    def interaction(self) -> Interaction:
        """Who is asked and told."""
        return self._cluster.interaction

    @interaction.setter
    def interaction(self, interaction: Interaction) -> None:
        self._cluster.interaction = interaction

    # -- options ----------------------------------------------------------------------

    @property
    def profile(self) -> str:
        """The IPython profile; `change_profile` stops what runs on the one before."""
        return self._options.profile

    @profile.setter
    def profile(self, profile: str) -> None:
        self._options.profile = profile

    @property
    def engines_wanted(self) -> int | None:
        """The configured number of engines, None for one per core."""
        return self._options.engines_wanted

    @engines_wanted.setter
    def engines_wanted(self, engines: int | None) -> None:
        self._options.engines_wanted = engines

    @property
    def launcher(self) -> str | None:
        """The configured launcher, None for the profile's own."""
        return self._options.launcher

    @launcher.setter
    def launcher(self, launcher: str | None) -> None:
        self._options.launcher = launcher

    @property
    def private(self) -> bool:
        """Whether a cluster that is started is hidden from other sessions."""
        return self._options.private

    @private.setter
    def private(self, private: bool) -> None:
        self._options.private = private

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
        with self._cluster.lock:
            if engines is not None:
                self.engines_wanted = engines
            if private is not None:
                self.private = private
            if launcher is not None:
                self.launcher = launcher

    # -- state ------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the manager stands with its cluster; see `on_state`."""
        return self._cluster.state

    def on_state(self, listener: Callable[[State], None]) -> Callable[[], None]:
        """Register a listener for changes of state.

        Parameters
        ----------
        listener : callable
            Called with the state, in the thread that changes it; must return at once.

        Returns
        -------
        callable
            Call it to stop listening.
        """
        return self._cluster.on_state(listener)

    def alive(self) -> bool:
        """Return True if the cluster lives, as far as is known; returns at once.

        For runs: False as soon as a process of the controller that they need has ended, when it
        was stopped for some seconds, or, if it is on another machine, when it has not answered
        for 8.5 s.
        """
        return self._cluster.alive()

    def fault(self) -> str:
        """Return which part of the controller has failed, empty if that is not known."""
        return self._cluster.fault()

    def runs(self) -> tuple[Snapshot, ...]:
        """Return this session's runs under way (a Map, a `parallel_map`), the oldest first."""
        return self._runs.snapshots()

    # -- Engines for work that asks for some ------------------------------------------

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
        cluster = self._cluster
        return cluster.connect_without_waiting() if at_once else cluster.connect()

    def prepare(self) -> None:
        """Begin to connect or start in a thread, so that it overlaps other work.

        A failure is raised by the next `ensure_engines`. The interaction is asked in that
        thread.
        """
        self._provisioner.prepare()

    def ensure_engines(self, ask: bool = True, for_run: bool = False) -> ipyparallel.Client | None:
        """Return a client with at least one engine; start what is missing if allowed.

        The work is done in another thread, while this one calls the interaction's
        ``cancelled`` every 20 ms: a window stays alive by it. The interaction's question is
        asked in this thread.

        Parameters
        ----------
        ask : bool
            Whether the user may be asked, and engines started; if False, only what
            runs is used.
        for_run : bool
            Whether a run waits for engines itself: where the cluster is elastic, its client is
            returned before one has joined, and engines are asked for as the run needs them.

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
        return self._provisioner.ensure_engines(ask, for_run)

    def engine_pool(self, ask: bool = True) -> EnginePool:
        """Return the engines' owner as a run sees it: what it may ask, and what it reports.

        Parameters
        ----------
        ask : bool
            As `ensure_engines` has it.
        """
        pool = self._replacer.engine_pool()
        if not ask:
            return replace(pool, works_here=True)
        return replace(pool, start_beside=self._provisioner.start_beside)

    def replace_in_background(self, engine: int) -> bool:
        """Start another engine in the place of one; see `EngineReplacer`."""
        return self._replacer.replace_in_background(engine)

    def suggested_engines(self) -> int:
        """Return how many engines to start: the configured number, else the cores left.

        That is one for each core of this machine without an engine of this cluster on it, as far
        as its memory has room for them, and at least 1.
        """
        return self._provisioner.suggested_engines()

    def free_cores(self) -> int:
        """Return how many cores of this machine have no engine of this cluster on them."""
        return self._provisioner.free_cores()

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
        self._starter.check_number(n, launcher)

    def check_wanted(self) -> None:
        """Raise, as `check_number` does, if those missing to the configured number are too many."""
        self._provisioner.check_wanted()

    # -- Start new engine processes ---------------------------------------------------

    def start_engines(
        self,
        n: int | None = None,
        launcher: str | None = None,
        *,
        progress: Callable[[StartSnapshot], None] | None = None,
        cancel: threading.Event | None = None,
        until: Stage = Stage.READY,
        limits: Limits | None = None,
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
        limits : Limits, optional
            Between how many engines the cluster is to adapt itself to its work from now on; the
            least of them are started now, however many `n` says.

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
        if limits is not None:
            return self._start_elastic(limits, until, progress, cancel)
        still = None if n is not None else lambda _: self.suggested_engines()
        n = self.suggested_engines() if n is None else n
        if n < 1:
            raise ValueError(f"at least 1 engine has to be started, not {n}")
        cancel = cancel or threading.Event()
        return self._starter.start(
            StartRequest(n, launcher, until, progress or ignore_progress, cancel, still)
        )

    def _start_elastic(
        self,
        limits: Limits,
        until: Stage,
        progress: Callable[[StartSnapshot], None] | None,
        cancel: threading.Event | None,
    ) -> int:
        self.check_number(limits.maximum, limits.launcher)
        connection = self._cluster.live_connection()
        missing = limits.minimum - (len(connection.fit) if connection is not None else 0)
        number = 0
        if connection is None or missing > 0:
            number = self._starter.start(
                StartRequest(
                    max(missing, 0),
                    limits.launcher,
                    until,
                    progress or ignore_progress,
                    cancel or threading.Event(),
                    most=limits.maximum,
                )
            )
        self._cluster.set_limits(limits.to_dict())
        self._scaler.forget_limits()
        return number

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
            self._folder(), launcher.strip().lower(), n, self._cluster.connection is not None
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
        return self._inspector.inspect()

    def stop_engine(self, engine: int) -> None:
        """Stop one engine, whatever it does; its work fails. At most 8 s.

        Raises
        ------
        ClusterError
            If there is no such engine, or it cannot be stopped from here.
        """
        if not self._cluster.lock.acquire(timeout=BUSY_SECONDS):
            raise EngineUnreachable(
                "Engines are being started or stopped; try again when that has ended, or cancel it."
            )
        try:
            stop.stop_engine(self._cluster, engine)
        finally:
            self._cluster.lock.release()

    def interrupt_engine(self, engine: int) -> None:
        """Interrupt what an engine works at; it lives on.

        Raises
        ------
        ClusterError
            If there is no such engine, or it does not take the signal.
        """
        connection = self._cluster.connection
        if connection is not None:
            record_user_interrupt(connection.client, engine)
        stop.interrupt_engine(self._cluster, engine)

    # -- Change profile -----------------------------------------------------------------

    def profiles(self) -> list[ProfileInfo]:
        """Return the IPython profiles and what runs on each; ``default`` first.

        At most 0.6 s, since all that seem to run are asked at once.
        """
        from . import profile_overview as overview

        return overview.profiles(self.profile, self._cluster.tokens())

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
        with self._cluster.lock:
            if leave:
                self.leave_running()
            self.stop()
            self.profile = name

    # -- Cleanup started processes --------------------------------------------------------

    def inventory(self) -> Inventory:
        """Return what runs of the profile that Parallel Flow has started, and who did."""
        return self._inspector.inventory()

    def stop(self) -> list[int]:
        """Stop exactly what this session started, whole process trees; idempotent.

        Bounded: SIGTERM, `process_trees.TERM_SECONDS`, SIGKILL. A start under way is cancelled. A
        cluster that was only connected to goes on, as does what was left running.

        Returns
        -------
        list of int
            The pids that run in spite of all.
        """
        if self._cluster.is_inherited:
            return []  # a forked child owns nothing
        self._cancel_starts()
        with self._cluster.lock:
            self._provisioner.forget_preparation()
            return self._cluster.stop()

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
        with self._cluster.lock:
            left = self.stop()
            for record in read_all(profiles.profile_folder(self.profile)):
                if origin_of(record) is Origin.DETACHED:
                    left += record.stop()
                    self._cluster.report_failed_jobs(record)
            return left

    def leave_running(self) -> Path | None:
        """Leave what this session started running when it ends; it stays connected.

        The next session finds and uses it, and can stop it. A start under way is cancelled.

        Returns
        -------
        Path or None
            The record of it, for `take_over`; None if this session has started nothing.

        Raises
        ------
        ProfileError
            If the record of it cannot be written; it stays this session's then.
        """
        self._cancel_starts()
        self._scaler.close()
        with self._cluster.lock:
            return self._cluster.leave_session()

    def take_over(self, record: Path) -> bool:
        """Go on with what another session has left running; it is this session's from now on.

        Parameters
        ----------
        record : Path
            As `leave_running` has returned it there.

        Returns
        -------
        bool
            False if that cannot be used; it is stopped then.
        """
        with self._cluster.lock:
            return self._cluster.take_over(record)

    # -- Request cluster shutdown -----------------------------------------------------------

    def shutdown_plan(self) -> ShutdownPlan | None:
        """Return what a shutdown would end, None if there is no connection; at most 0.5 s."""
        return stop.plan(self._cluster)

    def shutdown_cluster(self) -> list[str]:
        """Stop the whole cluster by its hub, whoever started it, and what is left of it.

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
        self._cluster.ends_on_purpose += 1
        self._cancel_starts()
        with self._cluster.lock:
            return stop.shutdown(self._cluster)

    def started(self) -> list[int]:
        """Return the pids of the running processes that this session started."""
        return self._cluster.started()

    def _cancel_starts(self) -> None:
        self._provisioner.cancel_preparation()
        self._cluster.cancel_starts()


_manager: EngineManager | None = None
_manager_lock = threading.Lock()


def get_manager() -> EngineManager:
    """Return this process' engine manager, made at the first call by the settings in force."""
    global _manager
    with _manager_lock:
        if _manager is None or _manager.cluster.is_inherited:
            known = settings()
            try:
                _manager = EngineManager(profiles.check_name(known.profile))
            except ProfileError as e:
                logger.warning("Parallel Flow's configuration: %s", e)
                _manager = EngineManager()
            _manager.launcher = known.launcher or None
        return _manager
