"""A start of engines: a transaction of steps, each with a bound, told as it goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from parallelflow.errors import ConnectFailed, ControllerFailed, EnginesFailed, StartCancelled

from .connection.cluster_connection import Asked
from .connection.coming_up import is_coming_up
from .connection.connection_files import Connection, connections
from .launch.controller_options import controller_config
from .model import EngineStart, Stage, StartSnapshot, State
from .system import profiles
from .system.lock import profile_lock
from .system.records import end_all
from .system.resources import check_loopback, check_open_files

if TYPE_CHECKING:
    from .connection.cluster_connection import Link
    from .launch.cluster_launcher import EngineSet
    from .provision import EngineSource
    from .session import Session

__all__ = ["Start"]

# From the start of ipcontroller to its connection files: 0.7 s on an idle machine; a loaded
# one with a cold disk may need much longer. One that has ended is noticed at once.
CONTROLLER_SECONDS = 60.0
# From the start of an engine to its registration: 1 s on an idle machine, plus the reading of
# large packages from a slow disk. Engines that have ended are noticed at once.
ENGINES_SECONDS = 60.0
# Batch systems keep jobs queued for hours; whoever waits in a dialog can cancel.
QUEUED_SECONDS = 24 * 3600.0
# Starting VisTrails' core: 0.2-0.5 s, ten times that with a cold disk and no compiled files.
READY_SECONDS = 60.0
# Between two looks; short, since every start waits for the last one.
LOOK_SECONDS = 0.02
# What an engine writes that leaves, since it hears nothing of its controller.
NO_HEART = "heartbeats misses reached"
# Whether processes still live is looked at less often: it costs 0.1 ms for each.
DEATH_SECONDS = 0.2


class Start:
    """One start of engines.

    Parameters
    ----------
    manager : EngineManager
        Whose engines they will be; its lock is held.
    n : int
        How many engines.
    launcher : str or None
        The launcher's short name; None for the profile's own.
    progress : callable
        Called with a `StartSnapshot` at every change.
    cancelled : callable
        Whether the user has given up.
    still_missing : callable, optional
        Given the number of engines, returns how many of them are missing when no other session
        starts any: called once, with the lock of the profile held. All, if not given.
    """

    def __init__(
        self,
        manager: EngineSource,
        n: int,
        launcher: str | None,
        progress: Callable[[StartSnapshot], None],
        cancelled: Callable[[], bool],
        still_missing: Callable[[int], int] | None = None,
    ) -> None:
        self._manager = manager
        self._n = n
        self._launcher = launcher
        self._progress = progress
        self._cancelled = cancelled
        self._still_missing = still_missing
        self._engines: EngineSet | None = None
        self._before: set[int] = set()
        self._told: dict[int, str] = {}
        self._asked: dict[int, Asked] = {}
        self._next_check = 0.0
        self._controller_before = manager._link is not None
        self.snapshot = StartSnapshot(
            manager.profile,
            launcher or "",
            Stage.WAITING if manager._link is None else None,
            tuple(EngineStart(number) for number in range(1, n + 1)),
        )

    # -- the steps ------------------------------------------------------------------------

    def run(self, until: Stage) -> int:
        """Start the engines and wait until they have come so far.

        Parameters
        ----------
        until : Stage
            ``REGISTERED`` or ``READY``.

        Returns
        -------
        int
            How many were started; fewer than asked for if other sessions have started some.
        """
        manager = self._manager
        manager._drop_lost()
        folder = profiles.ensure_folder(manager.profile)
        with profile_lock(folder, self._check_cancelled):
            # Another session may have started a cluster since the last look; which one it
            # is decides the files that our engines read.
            if manager._link is None and not manager.private:
                manager.connect()
            if self._still_missing is not None:
                self._wait_for_others(folder)
                self._set_number(self._still_missing(self._n))
                if self._n < 1:
                    return 0
            session = manager._begin_session()
            first, jobs = len(session.record.processes), len(session.record.jobs)
            # Undone with the lock held: the next session to start must not find half of it.
            with self._undone_if_it_fails(session, first, jobs):
                session.launch.check_launcher(self._launcher, self._n)
                self._changed = True
                self._tell()
                if manager._link is None:
                    self._start_controller(session)
                else:
                    self.snapshot = dataclasses.replace(self.snapshot, controller=None)
                    self._before = set(manager._link.ids)
                    self._start_engines(session)
        with self._undone_if_it_fails(session, first, jobs):
            self._wait_for_registration(manager._link)
            if until is Stage.READY:
                self._wait_for_vistrails(manager._link)
            assert manager._link is not None
            session.note_facts(manager._link)
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
        while (cluster := self._manager._link) is not None and is_coming_up(cluster, folder):
            self._check_cancelled()
            time.sleep(LOOK_SECONDS)
        if cluster is not None and not cluster.alive():
            self._manager._drop_lost()

    def _set_number(self, n: int) -> None:
        self._n = n
        engines = tuple(EngineStart(number) for number in range(1, n + 1))
        self.snapshot = dataclasses.replace(self.snapshot, engines=engines)

    def _undo(self, session: Session, first: int, jobs: int) -> None:
        for number, engine in enumerate(self.snapshot.engines):
            if engine.stage not in (Stage.FAILED, Stage.WAITING):
                self._set(number, Stage.WAITING, note="stopped again")
        self._tell()
        started, session.record.jobs = session.record.jobs[jobs:], session.record.jobs[:jobs]
        for line in end_all(started)[1]:
            self._manager.interaction.tell(line)
        if first == 0 and jobs == 0:
            self._manager._end_session()
        else:
            session.undo(first)
        self._manager._refresh()

    def _start_controller(self, session: Session) -> None:
        """Start a controller and, with it, the engines; connect."""
        manager, launch = self._manager, session.launch
        self._check_not_elsewhere(session)
        check_open_files()
        if not controller_config(session.folder).IPController.get("ip"):
            check_loopback()
        manager._enter(State.CONNECTING)
        launch.remove_stale_files()
        self._tell(controller=Stage.WAITING)
        session.add_controller(launch.start_controller(self._check_cancelled))
        self._tell(controller=Stage.STARTED)
        # Local engines load what they need while the controller comes up.
        at_once = launch.starts_locally(self._launcher)
        if at_once:
            self._start_engines(session)
        self._wait_for_controller(session)
        session.note_connection()
        cluster_id = session.record.cluster_id
        for connection in connections(manager.profile):
            if connection.cluster_id == cluster_id:
                self._connect(session, connection)
                break
        else:
            raise ConnectFailed(
                f"the controller of the profile {manager.profile} has started but left no "
                "connection file here: if its launcher starts it elsewhere, the profile's folder "
                "must be shared."
            )
        self._tell(controller=Stage.REGISTERED)
        if not at_once:
            self._start_engines(session)

    def _connect(self, session: Session, connection: Connection) -> None:
        try:
            self._manager._connect_to(connection)
        except ConnectFailed as e:
            raise ControllerFailed(
                f"the controller of the profile {self._manager.profile} has started but does not "
                f"answer at {connection.host}:{connection.port}. It was stopped again.",
                session.launch.controller_log(),
            ) from e

    def _check_not_elsewhere(self, session: Session) -> None:
        """Raise if another machine has a cluster whose files ours would take the place of."""
        for connection in connections(self._manager.profile):
            if connection.cluster_id == session.record.cluster_id and connection.elsewhere:
                raise ConnectFailed(
                    f"the profile {self._manager.profile} belongs to a cluster on "
                    f"{connection.location}, which does not answer here. Stop it there, or "
                    f"choose another profile. If it has ended, remove {connection.path}."
                )

    def _wait_for_controller(self, session: Session) -> None:
        deadline = time.monotonic() + CONTROLLER_SECONDS
        while not session.launch.controller_up():
            self._check_cancelled()
            if time.monotonic() > deadline:
                raise ControllerFailed(
                    f"the controller of the profile {self._manager.profile} did not come up in "
                    f"{CONTROLLER_SECONDS:.0f} s.",
                    session.launch.controller_log(),
                )
            time.sleep(LOOK_SECONDS)

    def _start_engines(self, session: Session) -> None:
        launch = session.launch
        self._engines = launch.start_engines(self._n, self._launcher, self._check_cancelled)
        session.add_engines(self._engines)
        pids: list[int | None] = [p.pid for p in self._engines.processes if p.kind == "engine"]
        pids += [None] * (self._n - len(pids))
        for number, pid in enumerate(pids):
            self._set(number, Stage.STARTED, pid=pid)
        self._tell()

    def _wait_for_registration(self, cluster: Link | None) -> None:
        assert cluster is not None and self._engines is not None
        seconds = QUEUED_SECONDS if self._engines.queued else ENGINES_SECONDS
        deadline = time.monotonic() + seconds
        while True:
            new = [e for e in cluster.ids if e not in self._before]
            self._note_registered(cluster, new)
            # Whose facts are known has answered, and can be reached by whoever comes next.
            known = self.snapshot.count(Stage.REGISTERED)
            if known >= self._n or (len(new) >= self._n and self._at_work()):
                self._check_cancelled()  # the user may have given up at what was told last
                break
            self._check(cluster, deadline, f"did not register in {seconds:.0f} s")
            time.sleep(LOOK_SECONDS)
        self._manager._refresh()

    def _wait_for_vistrails(self, cluster: Link | None) -> None:
        assert cluster is not None
        deadline = time.monotonic() + READY_SECONDS
        while True:
            new = [e for e in cluster.ids if e not in self._before]
            self._note_registered(cluster, new)
            if self.snapshot.count(Stage.READY) >= self._n or (
                time.monotonic() > deadline and self._at_work()
            ):
                self._check_cancelled()
                return
            self._check(cluster, deadline, f"gave no answer in {READY_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)

    # -- looking --------------------------------------------------------------------------

    def _note_registered(self, cluster: Link, new: list[int]) -> None:
        """Bring the snapshot up to date with the engines that have joined and answered."""
        cluster.meet()
        for engine in new:
            asked = self._asked.get(engine)
            if asked is None:
                self._asked[engine] = Asked()
                cluster.ask_ready(engine, functools.partial(self._take, engine))
            elif engine not in self._told and asked.too_long_ago():
                cluster.ask_ready(engine, functools.partial(self._take, engine))
            facts = cluster.facts.get(engine)
            if facts is None:
                continue
            number = self._place(engine, facts.pid)
            if number is None:
                continue  # somebody else's, which has joined meanwhile
            ready = engine in self._told
            self._set(
                number,
                Stage.READY if ready else Stage.REGISTERED,
                pid=facts.pid,
                engine=engine,
                host=facts.host,
                note=f"without VisTrails: {self._told[engine]}" if self._told.get(engine) else "",
            )
        self._tell()

    def _at_work(self) -> bool:
        """Whether a Map is under way, which may keep the new engines from answering for long."""
        return bool(self._manager.runs())

    def _take(self, engine: int, told: str) -> None:
        self._told[engine] = told

    def _place(self, engine: int, pid: int) -> int | None:
        """Return which of the engines asked for it is: by its pid where that is known."""
        engines = self.snapshot.engines
        for wanted in ((engine, pid), (None, pid), (None, None)):
            for number, one in enumerate(engines):
                if (one.engine, one.pid) == wanted:
                    return number
        return None

    def _check(self, cluster: Link, deadline: float, too_late: str) -> None:
        """Raise if the start has failed, lasts too long or was cancelled."""
        assert self._engines is not None
        self._check_cancelled()
        now = time.monotonic()
        if now < min(self._next_check, deadline):
            return
        self._next_check = now + DEATH_SECONDS
        if not cluster.alive():
            why = f": {cluster.fault}" if cluster.fault else ""
            gone = ControllerFailed(
                f"the controller of the profile {self._manager.profile} went away while engines "
                f"were starting{why}. Start new engine processes to start another one."
            )
            # Another session's ends with it: this one starts its own then.
            gone.passing = self._controller_before
            raise gone
        dead = [p for p in self._engines.processes if not p.alive()]
        for number, engine in enumerate(self.snapshot.engines):
            if any(p.pid == engine.pid for p in dead):
                self._set(number, Stage.FAILED, note="its process ended")
        ready = self.snapshot.count(Stage.REGISTERED)
        if dead or now > deadline:
            self._tell()
            why = f"{len(dead)} ended at once" if dead else too_late
            error = EnginesFailed(
                f"{ready} of {self._n} engines of the profile {self._manager.profile} came up; "
                f"{why}. All of this start were stopped again.",
                self._engines.log(),
                wanted=self._n,
                ready=ready,
            )
            # A controller of this start has no heart: ipcontroller chooses its ports before it
            # takes them, and another one may choose the same in the same moment.
            error.passing = (
                not self._controller_before and not ready and NO_HEART in error.log.lower()
            )
            raise error

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise StartCancelled("the start of the engines was cancelled; they were stopped again.")

    # -- telling --------------------------------------------------------------------------

    def _set(self, number: int, stage: Stage, **fields: object) -> None:
        engines = list(self.snapshot.engines)
        engines[number] = dataclasses.replace(engines[number], stage=stage, **fields)  # type: ignore[arg-type]
        self._changed = self._changed or engines[number] != self.snapshot.engines[number]
        self.snapshot = dataclasses.replace(self.snapshot, engines=tuple(engines))

    _changed = False

    def _tell(self, controller: Stage | None = None) -> None:
        if controller is not None:
            self.snapshot = dataclasses.replace(self.snapshot, controller=controller)
            self._changed = True
        if self._changed:
            self._changed = False
            self._progress(self.snapshot)
