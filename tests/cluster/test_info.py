"""What is told of a cluster, while its engines are idle, busy or gone."""

from __future__ import annotations

import json
import platform
import time

import psutil
import pytest
from ipyparallel import AsyncResult, error

from parallelflow.engine_manager import EngineManager, State
from parallelflow.engine_manager.model import Origin
from parallelflow.progress import Progress, RunState
from tests.support.waiting import open_files, wait_until, wait_until_closed

# The engines are busy for this long, unless they are interrupted: info must not wait for it.
BUSY_SECONDS = 60.0


def test_nothing_is_known_without_a_cluster(manager: EngineManager) -> None:
    info = manager.info()
    assert (info.connected, info.engines, info.controller) == (False, (), None)
    assert info.state is State.NO_CLUSTER and "no cluster" in info.to_text()


def test_every_engine_has_a_row(shared: EngineManager) -> None:
    shared.info()
    info = shared.info()
    assert info.connected and info.answered and info.state is State.ENGINES
    assert info.started(Origin.THIS_SESSION) == 2 == len(info.engines)
    for engine in info.engines:
        assert engine.pid in shared.started() and engine.host == platform.node()
        assert engine.system == platform.system() and engine.python == platform.python_version()
        assert engine.cpu_percent is not None and engine.memory_bytes is not None
        assert engine.memory_bytes > 20 * 2**20
    assert info.controller is not None and info.controller.pid in shared.started()
    assert info.controller.origin is Origin.THIS_SESSION and info.differing() == ()


def test_it_reads_as_text_and_as_json(shared: EngineManager) -> None:
    info = shared.info()
    lines = info.to_text().splitlines()
    assert any(line.split()[:2] == ["profile", shared.profile] for line in lines)
    pids = {line.split()[2] for line in lines if line.startswith(platform.node())}
    assert pids == {str(e.pid) for e in info.engines}
    told = json.loads(json.dumps(info.to_dict()))
    assert told["state"] == "engines" and told["connected"] is True
    assert {e["origin"] for e in told["engines"]} == {"started here"}


def interrupt(manager: EngineManager, *running: AsyncResult) -> None:
    """Interrupt the first engine until this is over: it may be about to begin the next one."""
    client = manager.connect()
    assert client is not None
    manager.interrupt_engine(0)
    while not client.wait(running, timeout=1.0):
        manager.interrupt_engine(0)


def test_busy_engines_are_not_waited_for(shared: EngineManager) -> None:
    client = shared.connect()
    assert client is not None
    done = {e.id: e.tasks_done for e in shared.info().engines}
    view = client.direct_view(0)
    running = [view.apply_async(time.sleep, BUSY_SECONDS) for _ in range(3)]
    try:
        wait_until(lambda: shared.info().engines[0].busy)
        began = time.monotonic()
        first, second = sorted(shared.info().engines, key=lambda e: e.id)
        assert time.monotonic() - began < BUSY_SECONDS / 2
        assert (first.busy, first.tasks_waiting, first.tasks_done) == (True, 2, done[0])
        assert (second.busy, second.tasks_waiting) == (False, 0)
    finally:
        client.abort(running, block=False)
        interrupt(shared, *running)
    for one in running:
        with pytest.raises((error.RemoteError, error.TaskAborted)):
            one.get()
    wait_until(lambda: not shared.info().engines[0].busy)


def test_another_session_sees_busy_engines_whole(shared: EngineManager) -> None:
    """Host, pid and versions come from the record: the engines cannot be asked now."""
    client = shared.connect()
    assert client is not None
    running = client.direct_view(0).apply_async(time.sleep, BUSY_SECONDS)
    other = EngineManager(shared.profile)
    try:
        assert other.connect() is not None
        info = other.info()
        assert {e.pid for e in info.engines} <= set(shared.started())
        assert {e.origin for e in info.engines} == {Origin.OTHER_SESSION}
    finally:
        other.stop()
        interrupt(shared, running)
    with pytest.raises(Exception, match="KeyboardInterrupt"):
        running.get()


def test_runs_under_way_are_told(shared: EngineManager) -> None:
    progress = Progress("sweep", 10)
    progress.enter(RunState.RUNNING)
    progress.done = 4
    progress.announce()
    [run] = [r for r in shared.info().runs if r.run == progress.run]
    assert (run.label, run.done, run.total) == ("sweep", 4, 10)
    assert "sweep: 4 of 10 elements" in shared.info().to_text()
    progress.enter(RunState.DONE)
    assert progress.run not in [r.run for r in shared.runs()]


def test_a_hub_that_does_not_answer_is_told_soon(shared: EngineManager) -> None:
    controller = shared.info().controller
    assert controller is not None
    process = psutil.Process(controller.pid)
    process.suspend()
    try:
        began = time.monotonic()
        info = shared.info()
        assert time.monotonic() - began < BUSY_SECONDS / 2  # an answer would not come at all
        assert not info.answered and {e.busy for e in info.engines} == {None}
        assert "?" in info.to_text()
    finally:
        process.resume()
    wait_until(lambda: shared.info().answered)


def test_a_window_that_is_open_all_day_leaves_nothing_behind(shared: EngineManager) -> None:
    client = shared.connect()
    assert client is not None
    before, files = (len(client._futures), len(client.history)), open_files()
    for _ in range(50):
        shared.info()
    assert (len(client._futures), len(client.history)) == before
    wait_until_closed(files)


def test_the_processes_by_which_an_engine_is_interrupted_are_known(shared: EngineManager) -> None:
    client = shared.connect()
    assert client is not None
    relays = shared.engine_pool().relays(client.ids)
    assert list(relays) == client.ids
    pids = {engine.id: engine.pid for engine in shared.info().engines}
    for engine, (pid, nanny, *controller) in relays.items():
        assert pid == pids[engine]
        assert psutil.Process(nanny).name() == "ipengine-nanny"
        assert psutil.Process(nanny).ppid() == pid
        assert len(controller) == 2
