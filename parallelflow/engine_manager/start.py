"""A start of engines: a transaction of steps, each with a bound, told as it goes on.

It is one file, though a long one, so that the steps can be read in their order.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from parallelflow.errors import ConnectFailed, ControllerFailed, StartCancelled
from parallelflow.system.waiting import wait_until

from .arrivals import Arrivals
from .connection.coming_up import wait_for_coming_up
from .connection.connection_files import ConnectionFile, connections
from .launch.controller_options import controller_config
from .model import Stage, StartSnapshot, State
from .start_failures import engines_failed
from .start_progress import StartProgress, new_engines
from .start_request import StartRequest
from .started_jobs import StartedJobs
from .system import profiles
from .system.jobs import end_all
from .system.lock import profile_lock
from .system.process_trees import stop_trees
from .system.resources import check_loopback, check_open_files, check_processes

if TYPE_CHECKING:
    from .cluster import Cluster
    from .connection.cluster_connection import ClusterConnection
    from .launch.cluster_launcher import EngineSet
    from .session import Session

__all__ = ["StartTransaction"]

# From the start of ipcontroller to its connection files: 0.7 s on an idle machine; a loaded
# one with a cold disk may need much longer. One that has ended is noticed at once.
CONTROLLER_SECONDS = 60.0
# From the start of an engine to its registration: 1 s on an idle machine, plus the reading of
# large packages from a slow disk; and from there to VisTrails' core: 0.2-0.5 s. Counted from the
# last engine that has come further. Engines that have ended are noticed at once.
ENGINES_SECONDS = 60.0
# Engines of one machine share its cores, and the first one may be ready when the last one is: so
# long for each of them (0.7 s of computing were measured for one, in all).
EACH_SECONDS = 1.0
# Batch systems keep jobs queued for hours; whoever waits in a dialog can cancel.
QUEUED_SECONDS = 24 * 3600.0
# Whether processes still live is looked at less often: it costs 0.1 ms for each.
DEATH_SECONDS = 0.2


class StartTransaction:
    """One start of engines; what it has started is stopped if it fails.

    Parameters
    ----------
    cluster : Cluster
        Where they will be; its lock is held.
    request : StartRequest
        What is to be started.
    launcher : str or None
        The launcher's name as ipyparallel has it, None for the profile's own.
    at_work : callable
        Returns whether a run is under way, which may keep engines from answering for long.
    """

    def __init__(
        self,
        cluster: Cluster,
        request: StartRequest,
        launcher: str | None,
        at_work: Callable[[], object],
    ) -> None:
        self._cluster = cluster
        self._n = request.n
        self._launcher = launcher
        self._request = request
        self._at_work = at_work
        self._engines: EngineSet | None = None
        self._jobs = StartedJobs(())
        self._before: set[int] = set()
        self._arrivals: Arrivals | None = None
        self._next_check = 0.0
        # Known as soon as the lock of the profile is held: others start and end controllers.
        self._controller_before = False
        self._progress = StartProgress(
            StartSnapshot(cluster.profile, launcher or "", Stage.WAITING, new_engines(request.n)),
            request.progress,
        )

    # -- the steps ------------------------------------------------------------------------

    def run(self) -> int:
        """Start the engines and wait until they have come so far as is asked for.

        Returns
        -------
        int
            How many were started; fewer than asked for if other sessions have started some.
        """
        cluster = self._cluster
        cluster.drop_lost()
        folder = profiles.ensure_folder(cluster.profile)
        with profile_lock(folder, self._check_cancelled):
            # Another session may have started a cluster since the last look; which one it
            # is decides the files that our engines read.
            if cluster.connection is None and not cluster.options.private:
                cluster.connect()
            still_missing = self._request.still_missing
            if still_missing is not None:
                self._wait_for_others(folder)
                self._n = still_missing(self._n)
                self._progress.set_number(self._n)
                if self._n < 1:
                    return 0
            check_processes(0, controller=cluster.connection is None)
            session = cluster.begin_session()
            first, jobs = len(session.record.processes), len(session.record.jobs)
            # Undone with the lock held: the next session to start must not find half of it.
            with self._undone_if_it_fails(session, first, jobs):
                session.launch.check_launcher(self._launcher, max(self._n, self._request.most))
                if session.launch.starts_locally(self._launcher):
                    check_processes(self._n, controller=cluster.connection is None)
                self._controller_before = cluster.connection is not None
                self._progress.set_controller(None if self._controller_before else Stage.WAITING)
                self._progress.begin()
                if cluster.connection is None:
                    self._start_controller(session)
                else:
                    self._before = set(cluster.connection.ids)
                    controller = cluster.connection.controller
                    if controller is not None:
                        check_open_files(self._n + len(self._before), controller.pid)
                    self._start_engines(session)
        with self._undone_if_it_fails(session, first, jobs):
            if self._n < 1:
                cluster.refresh()
                return 0
            self._wait_for_registration(cluster.connection)
            if self._request.until is Stage.READY:
                self._wait_for_vistrails(cluster.connection)
            self._check_parts(session)
            assert self._engines is not None
            self._engines.end_watch()
            assert cluster.connection is not None
            session.note_facts(cluster.connection)
        return self._n

    @contextlib.contextmanager
    def _undone_if_it_fails(self, session: Session, first: int, jobs: int) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._undo(session, first, jobs)
            raise

    def _wait_for_others(self, folder: Path) -> None:
        """Wait until the engines that other sessions have started a moment ago have joined."""
        connection = self._cluster.connection
        if connection is not None:
            wait_for_coming_up(connection, folder, self._check_cancelled)
        if connection is not None and not connection.alive():
            self._cluster.drop_lost()

    def _undo(self, session: Session, first: int, jobs: int) -> None:
        for number, engine in enumerate(self._progress.snapshot.engines):
            if engine.stage not in (Stage.FAILED, Stage.WAITING):
                self._progress.set_engine(number, Stage.WAITING, note="stopped again")
        self._progress.report()
        if self._engines is not None:
            self._engines.end_watch()
            for path in session.keep_logs(self._engines):
                self._cluster.interaction.tell(f"The job's log stays in {path}")
        started, session.record.jobs = session.record.jobs[jobs:], session.record.jobs[:jobs]
        for line in end_all(started)[1]:
            self._cluster.interaction.tell(line)
        if first == 0 and jobs == 0:
            self._cluster.end_session()
        else:
            session.undo(first)
        self._cluster.refresh()

    def _start_controller(self, session: Session) -> None:
        """Start a controller and, with it, the engines; connect."""
        cluster, launch = self._cluster, session.launch
        self._check_not_elsewhere(session)
        check_open_files(max(self._n, self._request.most))
        if not controller_config(session.folder).IPController.get("ip"):
            check_loopback()
        cluster.enter(State.CONNECTING)
        launch.remove_stale_files()
        session.expect_controller()
        session.add_controller(launch.start_controller(self._check_cancelled))
        self._progress.set_controller(Stage.STARTED)
        # Local engines load what they need while the controller comes up.
        at_once = launch.starts_locally(self._launcher)
        if at_once:
            self._start_engines(session)
        self._wait_for_controller(session)
        session.note_connection()
        cluster_id = session.record.cluster_id
        for file in connections(cluster.profile):
            if file.cluster_id == cluster_id:
                self._connect(session, file)
                break
        else:
            raise ConnectFailed(
                f"The controller of the profile {cluster.profile!r} has started but left no "
                "connection file here: if its launcher starts it elsewhere, the profile's folder "
                "must be shared."
            )
        self._progress.set_controller(Stage.REGISTERED)
        if not at_once:
            self._start_engines(session)

    def _connect(self, session: Session, file: ConnectionFile) -> None:
        try:
            # It is alive, but has few of the cores while many engines load what they need.
            self._cluster.connect_to(file, CONTROLLER_SECONDS + EACH_SECONDS * self._n)
        except ConnectFailed as e:
            raise ControllerFailed(
                f"The controller of the profile {self._cluster.profile!r} has started but does not "
                f"answer at {file.host}:{file.port}. It was stopped again.",
                session.launch.controller_log(),
            ) from e

    def _check_not_elsewhere(self, session: Session) -> None:
        """Raise if another machine has a cluster whose files ours would take the place of."""
        for file in connections(self._cluster.profile):
            if file.cluster_id == session.record.cluster_id and file.elsewhere:
                raise ConnectFailed(
                    f"The profile {self._cluster.profile!r} belongs to a cluster on "
                    f"{file.location}, which does not answer here. Stop it there, or "
                    f"choose another profile. If it has ended, remove {file.path}."
                )

    def _wait_for_controller(self, session: Session) -> None:
        launch = session.launch
        seconds = CONTROLLER_SECONDS + EACH_SECONDS * self._n
        if not wait_until(launch.controller_up, seconds, self._check_cancelled):
            raise ControllerFailed(
                f"The controller of the profile {self._cluster.profile!r} did not come up in "
                f"{seconds:.0f} s.",
                launch.controller_log(),
            )

    def _start_engines(self, session: Session) -> None:
        launch = session.launch
        if self._n < 1:
            return
        self._engines = launch.start_engines(self._n, self._launcher, self._check_cancelled)
        session.add_engines(self._engines)
        self._jobs = StartedJobs(self._engines.jobs)
        pids: list[int | None] = [p.pid for p in self._engines.processes if p.kind == "engine"]
        pids += [None] * (self._n - len(pids))
        for number, pid in enumerate(pids):
            self._progress.set_engine(number, Stage.STARTED, pid=pid)
        self._progress.report()

    def _wait_for_registration(self, connection: ClusterConnection | None) -> None:
        assert connection is not None and self._engines is not None
        arrivals = self._arrivals = Arrivals(connection, self._progress, self._before)
        seconds = QUEUED_SECONDS if self._engines.queued else self._patience

        def registered() -> bool:
            joined = arrivals.look()
            # Whose metadata are known has answered, and can be reached by whoever comes next.
            known = self._count(Stage.REGISTERED)
            some_are_late = known > 0 and arrivals.quiet_for > seconds
            return known >= self._n or some_are_late or (joined >= self._n and self._is_at_work())

        wait_until(registered, None, lambda: self._check(connection, seconds, "did not register"))
        self._check_cancelled()  # the user may have given up at what was told last
        known = self._count(Stage.REGISTERED)
        if known < self._n and not self._is_at_work():
            self._go_on_without_the_late(known)
        self._cluster.refresh()

    def _go_on_without_the_late(self, known: int) -> None:
        """Stop the engines that have not registered in time: the others can work."""
        assert self._engines is not None
        come = {e.pid for e in self._progress.snapshot.engines if e.engine is not None}
        late = [p for p in self._engines.processes if p.kind == "engine" and p.pid not in come]
        stop_trees(late, nannies=False)
        note = f"did not register in {self._patience:.0f} s"
        for number, engine in enumerate(self._progress.snapshot.engines):
            if engine.engine is None:
                self._progress.set_engine(number, Stage.FAILED, note=note)
        self._progress.report()
        stopped = "; they were stopped again" if late else ""
        self._cluster.interaction.tell(
            f"{self._n - known} of {self._n} engines of the profile {self._cluster.profile} {note}"
            f"{stopped}. The others work without them."
        )
        self._n = known

    def _wait_for_vistrails(self, connection: ClusterConnection | None) -> None:
        arrivals = self._arrivals
        assert connection is not None and arrivals is not None
        arrivals.begin_again()

        def ready() -> bool:
            arrivals.look()
            late = arrivals.quiet_for > self._patience
            return self._count(Stage.READY) >= self._n or (late and self._is_at_work())

        too_late = "gave no answer"
        wait_until(ready, None, lambda: self._check(connection, self._patience, too_late))
        self._check_cancelled()

    def _count(self, stage: Stage) -> int:
        return self._progress.snapshot.count(stage)

    def _is_at_work(self) -> bool:
        return bool(self._at_work())

    @property
    def _patience(self) -> float:
        """How long no engine may come further before those that have not are given up, seconds."""
        assert self._engines is not None
        share = EACH_SECONDS * self._n if self._engines.processes else 0.0
        return ENGINES_SECONDS + share

    # -- looking --------------------------------------------------------------------------

    def _check(self, connection: ClusterConnection, seconds: float, too_late: str) -> None:
        """Raise if the start has failed, nothing has happened for so long, or it was cancelled."""
        assert self._engines is not None and self._arrivals is not None
        self._check_cancelled()
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + DEATH_SECONDS
        self._progress.set_jobs(self._jobs.lines())
        if not connection.alive():
            reason = connection.why_ended()
            why = f": {reason}" if reason else ""
            gone = ControllerFailed(
                f"The controller of the profile {self._cluster.profile!r} went away while engines "
                f"were starting{why}. Start new engine processes to start another one."
            )
            # Another session's ends with it: this one starts its own then. One of its own may have
            # chosen a port that somebody else took in that moment.
            session = self._cluster.session
            gone.passing = self._controller_before or (
                session is not None and session.launch.has_met_taken_port()
            )
            raise gone
        dead = [p for p in self._engines.processes if not p.alive()]
        for number, engine in enumerate(self._progress.snapshot.engines):
            if any(p.pid == engine.pid for p in dead):
                self._progress.set_engine(number, Stage.FAILED, note="its process ended")
        ready = self._count(Stage.REGISTERED)
        lost = self._jobs.trouble() if ready < self._n else ""
        if not lost and (away := self._engines.ended_elsewhere()) and ready < self._n:
            hosts = ", ".join(sorted({engine.host for engine in away}))
            lost = f"{len(away)} ended at once (on {hosts})"
        programs = self._engines.ended_programs()
        if dead or programs or lost or self._arrivals.quiet_for > seconds:
            self._progress.report()
            ended = ", ".join(programs) or (str(len(dead)) if dead else "")
            why = f"{ended} ended at once" if ended else f"{too_late} in {seconds:.0f} s"
            raise engines_failed(
                connection, self._engines, (ready, self._n), lost or why, self._controller_before
            )

    def _check_parts(self, session: Session) -> None:
        """Raise if a part of the controller has ended as it began, whose port somebody else took.

        Without some parts engines register and compute, but cannot be interrupted, or their
        output is lost. A shutdown by ipyparallel's client waits for answers without end then.
        """
        if not self._controller_before and session.launch.has_met_taken_port():
            error = ControllerFailed(
                f"A part of the controller of the profile {self._cluster.profile!r} has ended: "
                "another program had taken its port. Start new engine processes to start another "
                "one.",
                session.launch.controller_log(),
            )
            error.passing = True
            raise error

    def _check_cancelled(self) -> None:
        if self._request.cancel.is_set():
            raise StartCancelled("The start of the engines was cancelled; they were stopped again.")
