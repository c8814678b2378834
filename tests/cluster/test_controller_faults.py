"""Each process of a controller killed or stopped, while engines work for it.

What a run needs makes it fail within 10 s, with what has failed; it goes on without the rest.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.connection import controller_processes
from parallelflow.engine_manager.connection.controller_processes import (
    HUB,
    NEEDED,
    ROLES,
    ControllerProcesses,
)
from parallelflow.engine_manager.model.starts import Stage, StartSnapshot
from parallelflow.errors import ClusterError, ClusterLost, ConnectFailed
from parallelflow.work.run import Run
from tests.support.waiting import BUSY_SECONDS, LIMIT_SECONDS

pytestmark = pytest.mark.own_cluster

# What is promised.
FAIL_SECONDS = 10.0
KILL, STOP = signal.SIGKILL, signal.SIGSTOP
REST = [role for role in ROLES if role not in NEEDED]


def slow(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


def processes(manager: EngineManager) -> dict[str, list[int]]:
    """Return the pids of the controller's processes, by their parts; nine in all."""
    [connection] = connections_of(manager)
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        pids = ControllerProcesses(connection).pids()
        if pids.keys() == ROLES.keys():
            assert sum(map(len, pids.values())) == 9 and len(pids["broadcast"]) == 3
            return pids
        assert time.monotonic() < deadline, pids
        time.sleep(0.1)


def connections_of(manager: EngineManager) -> Any:
    from parallelflow.engine_manager.connection.connection_files import connections

    return connections(manager.profile)


def run_on(manager: EngineManager, seconds: float, count: int) -> Run:
    client = manager.connect()
    assert client is not None

    def function(i: int) -> int:
        time.sleep(seconds)
        return i * 10

    pool = manager.engine_pool()
    return Run(client, plain_function, (function,), range(count), "test", pool=pool)


def poll(run: Run, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        run.poll(0.05)
        assert time.monotonic() < deadline, "the run hangs"


@pytest.mark.parametrize(
    ("role", "how"),
    [
        ("mux", KILL),
        ("mux", STOP),
        ("registration", KILL),
        slow("registration", STOP),
        slow("hb_ping", KILL),
        slow("hb_ping", STOP),
    ],
)
def test_a_run_fails_in_time_and_says_why(manager: EngineManager, role: str, how: int) -> None:
    manager.start_engines(1)
    pids = processes(manager)[role]
    run = run_on(manager, 0.05, 4000)
    poll(run, lambda: run.progress.done > 10)
    for pid in pids:
        os.kill(pid, how)
    began = time.monotonic()
    with pytest.raises(ClusterLost) as error:
        poll(run, lambda: run.is_finished)
    assert time.monotonic() - began < FAIL_SECONDS + BUSY_SECONDS
    assert "of 4000 elements unfinished" in str(error.value)
    if (role, how) != ("registration", KILL):  # it may be seen as the end of the whole controller
        assert ROLES[role] in str(error.value) and str(pids[0]) in str(error.value)
        assert ("is stopped" if how == STOP else "has ended") in str(error.value)
    run.cancel()
    # A cluster of ours that cannot be used is stopped, and the next one works.
    began = time.monotonic()
    manager.info()
    assert time.monotonic() - began < FAIL_SECONDS + BUSY_SECONDS
    manager.start_engines(1)
    again = run_on(manager, 0.0, 10)
    poll(again, lambda: again.is_finished)
    assert again.values == [i * 10 for i in range(10)]


@pytest.mark.parametrize("how", [KILL, slow(STOP)])
def test_a_run_goes_on_without_what_it_does_not_need(manager: EngineManager, how: int) -> None:
    manager.start_engines(1)
    pids = processes(manager)
    for role in REST:
        run = run_on(manager, 0.01, 100)
        poll(run, lambda run=run: run.progress.done > 5)  # type: ignore[misc]
        for pid in pids[role]:
            os.kill(pid, how)
        poll(run, lambda run=run: run.is_finished)  # type: ignore[misc]
        assert run.values == [i * 10 for i in range(100)] and manager.alive()
        assert [w for w in manager.info().warnings if ROLES[role] in w], role
    # An interrupt does not arrive any more; a run ends nevertheless.
    run = run_on(manager, 60, 4)
    poll(run, lambda: any(w.jobs for w in run.workers))
    began = time.monotonic()
    run.cancel()
    assert time.monotonic() - began < FAIL_SECONDS + BUSY_SECONDS  # an element takes 60
    # Engines still join.
    manager.start_engines(1)


@pytest.mark.parametrize(("role", "how"), [("mux", KILL), slow("mux", STOP), slow("hb_ping", STOP)])
def test_a_start_fails_in_time_and_says_why(
    new_manager: Callable[..., EngineManager],
    caplog: pytest.LogCaptureFixture,
    role: str,
    how: int,
) -> None:
    """It says so, and starts engines with a controller of its own if there can be one."""
    ours, second = new_manager(), new_manager()
    ours.start_engines(1)
    assert second.connect() is not None
    found = processes(second)
    pids, hub = found[role], found[HUB]
    told: list[str] = []

    def hit(snapshot: StartSnapshot) -> None:
        if snapshot.count(Stage.STARTED):
            for pid in pids:
                os.kill(pid, how)
            pids.clear()

    def start() -> None:
        try:
            second.start_engines(1, progress=hit)
            assert second.alive() and len(second.info().engines) == 1
        except ClusterError as e:
            told.append(str(e))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(LIMIT_SECONDS)
    assert not thread.is_alive() and not pids
    why = "\n".join([*told, caplog.text])
    if ROLES[role] not in why or ("is stopped" if how == STOP else "has ended") not in why:
        # On a busy machine `ours` may have noticed it first, and ended all of its controller: once
        # that has gone, no part of it is to blame.
        part = any(f"its {ROLES[each]} (process" in why for each in NEEDED) and "has ended" in why
        assert part or "went away while engines were starting. " in why
        assert not any(map(psutil.pid_exists, hub))


def test_a_start_that_found_a_controller_goes_on_when_its_session_ends(
    new_manager: Callable[..., EngineManager], caplog: pytest.LogCaptureFixture
) -> None:
    """No connection was there before: the start itself finds the controller of the other."""
    ours, second = new_manager(), new_manager()
    ours.start_engines(1)
    controllers: list[object] = []

    def end(snapshot: StartSnapshot) -> None:
        controllers.append(snapshot.controller)
        if snapshot.count(Stage.STARTED) and ours.alive():
            ours.stop()

    second.start_engines(1, progress=end)
    assert second.alive() and len(second.info().engines) == 1
    assert "went away" in caplog.text and "Trying it once more" in caplog.text
    # None was being started before that one had ended.
    assert controllers[0] is None and Stage.STARTED in controllers


@pytest.mark.parametrize(
    ("role", "how"), [("mux", KILL), slow("mux", STOP), slow("registration", KILL)]
)
def test_whoever_comes_later_is_told(
    new_manager: Callable[..., EngineManager], monkeypatch: Any, role: str, how: int
) -> None:
    ours = new_manager()
    ours.start_engines(1)
    pids = processes(ours)[role]
    ours.leave_running()
    ours.stop()  # nobody watches now
    os.kill(pids[0], how)
    monkeypatch.setattr(controller_processes, "STARTING_SECONDS", 0.0)  # it is older than that
    late = new_manager()
    began = time.monotonic()
    with pytest.raises(ConnectFailed, match="does not answer: its ") as error:
        late.ensure_engines()
    assert time.monotonic() - began < FAIL_SECONDS + BUSY_SECONDS
    assert late.profile in str(error.value) and "Stop it" in str(error.value)


@pytest.mark.long_wait
def test_slow_and_stopped_engines_are_no_fault_of_the_controller(shared: EngineManager) -> None:
    client = shared.connect()
    assert client is not None
    pids = client[:].apply_sync(os.getpid)
    run = run_on(shared, 0.02, 100)
    poll(run, lambda: run.progress.done > 1)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        poll(run, lambda: time.monotonic() - began > FAIL_SECONDS + 2)
        assert shared.alive() and not run.is_finished
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    poll(run, lambda: run.is_finished)
    assert run.values == [i * 10 for i in range(100)]


@pytest.mark.long_wait
@pytest.mark.parametrize(
    ("role", "how"),
    [("mux", STOP), slow("mux", KILL), slow("hb_ping", KILL), slow("hb_ping", STOP)],
)
def test_a_controller_elsewhere_is_probed(
    new_manager: Callable[..., EngineManager], monkeypatch: Any, role: str, how: int
) -> None:
    """Without the processes, as on another machine: by the connections alone."""
    from parallelflow.engine_manager.connection.connection_files import ConnectionFile

    ours, far = new_manager(), new_manager()
    ours.start_engines(1)
    pids = processes(ours)[role]
    ours.leave_running()
    ours.stop()  # a session that can see the processes would stop the rest of them first
    monkeypatch.setattr(ConnectionFile, "owner", lambda self: None)
    assert far.connect() is not None
    run = run_on(far, 0.05, 4000)
    began = time.monotonic()
    # Long enough for the probes to be there, and to see that they see nothing.
    poll(run, lambda: time.monotonic() - began > 12)
    assert far.alive()
    os.kill(pids[0], how)
    began = time.monotonic()
    with pytest.raises(ClusterLost) as error:
        poll(run, lambda: run.is_finished)
    assert time.monotonic() - began < FAIL_SECONDS + BUSY_SECONDS
    assert ROLES[role] in str(error.value)
    run.cancel()
