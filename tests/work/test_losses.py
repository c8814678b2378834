"""Engines and clusters that are lost at chosen moments, with a fake client."""

from __future__ import annotations

import gc
import os
import signal
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.data.shared_values import SharedValues
from parallelflow.engine import runner
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import ClusterLost
from parallelflow.work import cluster_watch, sending, silent_engines
from parallelflow.work.executor import EngineExecutor
from parallelflow.work.iteration import iterate_on_cluster
from parallelflow.work.mapping import map_on_cluster
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from tests.support.clusters import Cluster, drive, engine_pids
from tests.support.fake_client import EngineServer, FakeClient
from tests.support.waiting import wait_until


def pause(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_an_element_is_not_blamed_for_engines_that_were_dead_before(
    server: EngineServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six engines die, unnoticed, just before the element is sent to them."""
    monkeypatch.setattr(sending, "RECENT_SECONDS", 0.0)
    client: Any = FakeClient(server, 1)
    killed: list[int] = []

    def kill(engine: int, function: Any) -> None:
        if function is not runner.setup and function is not runner.drop and len(killed) < 6:
            killed.append(engine)
            client.death_notice.clear()
            client.kill(engine)
            wait_until(lambda: not client.has_process(engine))

    client.before_send = kill
    pool = EnginePool(replace=lambda engine: client.start_engines(1))
    run = Run(client, plain_function, (pause,), [0.01], "test", pool=pool)
    drive(run, client.death_notice.set)
    client.close()
    assert len(killed) == 6 and run.values == [0.01] and not run.failures


def test_what_the_end_of_a_cluster_interrupts_goes_on_with_the_next(
    cluster: Cluster, server: EngineServer, tmp_path: Path
) -> None:
    """A shutdown interrupts what runs: neither that nor what was before it in its chunk is lost."""
    flag = tmp_path / "second cluster"

    begun = tmp_path / "begun"

    def function(i: int) -> int:
        if i == 2 and not flag.exists():
            begun.touch()
            time.sleep(60)
        return i * 10

    alive = [True]
    pool = EnginePool(alive=lambda: alive[0])
    run = Run(cluster.client, plain_function, (function,), range(6), "t", chunk_size=6, pool=pool)
    pids = engine_pids(cluster.client)

    def is_at_work() -> bool:
        run.poll(0.01)
        return begun.exists()

    wait_until(is_at_work)
    alive[0] = False
    for pid in pids.values():
        os.kill(pid, signal.SIGINT)
    with pytest.raises(ClusterLost, match="of 6 elements unfinished"):
        while True:
            run.poll(0.05)
    flag.touch()
    alive[0] = True
    other: Any = FakeClient(server)
    run.move_to(other)
    drive(run)
    other.close()
    assert run.values == [0, 10, 20, 30, 40, 50] and not run.failures


def only_in(pids: set[int]) -> Any:
    """Make a function in some processes; it cannot be made in others."""
    if os.getpid() not in pids:
        time.sleep(0.5)
        raise RuntimeError("not here")
    return lambda index, element: (-element if pause(0.3) else 0, None)


def test_answers_of_a_cluster_that_was_left_do_not_count(
    cluster: Cluster, server: EngineServer
) -> None:
    """Engines say that they cannot run the function when the run is with another cluster."""
    other: Any = FakeClient(server)
    pids = set(engine_pids(other).values())
    run = Run(cluster.client, only_in, (pids,), range(6), "test")
    run.poll(0.0)
    run.move_to(other)
    drive(run)
    other.close()
    assert run.values == [0, -1, -2, -3, -4, -5]


def test_what_comes_before_a_failure_is_finished_though_its_chunk_ended_early(
    cluster: Cluster,
) -> None:
    """The serial Map stops at the lowest failing element."""

    def function(i: int) -> int:
        time.sleep(0.5 if i == 0 else 0)  # longer than the first chunk may take
        if i == 3 or i >= 12:  # the other engine begins at 12 or later
            raise ValueError(i)
        return i

    run = drive(Run(cluster.client, plain_function, (function,), range(200), "test"))
    assert min(run.failures) == 3
    assert run.done >= {0, 1, 2}


def test_a_run_that_has_ended_is_freed_at_once(cluster: Cluster) -> None:
    """Its values may be large, and Python looks for cycles by number, not by size."""
    run = drive(Run(cluster.client, plain_function, (abs,), range(100), "test"))
    gc.disable()
    try:
        freed = weakref.ref(run)
        del run
        assert freed() is None
    finally:
        gc.enable()


def test_engines_that_answer_nothing_are_told_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: Any, tmp_path: Path
) -> None:
    """Somebody else has them at work; the run waits, and has them in the end."""
    monkeypatch.setattr(silent_engines, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(cluster_watch, "ALIVE_SECONDS", 0.0)
    told = tmp_path / "told"

    def wait() -> None:
        while not told.exists():
            time.sleep(0.01)

    busy = [cluster.client.direct_view(engine).apply_async(wait) for engine in cluster.client.ids]
    asked: list[Any] = []

    def start_beside(engines: Any) -> int:
        asked.append(list(engines))
        told.touch()
        return 0

    pool = EnginePool(start_beside=start_beside)
    run = Run(cluster.client, plain_function, (pause,), [0.01] * 4, "test", pool=pool)
    drive(run)
    assert run.values == [0.01] * 4 and all(answer.done() for answer in busy)
    assert asked == [[0, 1]]
    assert caplog.text.count("engines 0, 1 have not answered for") == 1
    assert "parallelflow start), or stop them" in caplog.text


def test_engines_are_not_silent_while_the_function_is_being_sent(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Its constant inputs may have some gigabytes."""
    monkeypatch.setattr(silent_engines, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(cluster_watch, "ALIVE_SECONDS", 0.0)
    original = SharedValues.frames

    def write_slowly(self: Any, *arguments: Any, **options: Any) -> Any:
        time.sleep(0.6)
        return original(self, *arguments, **options)

    monkeypatch.setattr(SharedValues, "frames", write_slowly)
    run = Run(cluster.client, slow_to_make, (), [1, 2], "test")
    assert drive(run).values == [1, 2]
    assert "not answered" not in caplog.text


def slow_to_make() -> Any:
    time.sleep(0.1)
    return lambda index, element: (element, None)


class Busy:
    """Both engines of a cluster at work for somebody else, until it is told to end."""

    def __init__(self, cluster: Cluster, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        monkeypatch.setattr(silent_engines, "SILENT_SECONDS", 0.2)
        monkeypatch.setattr(cluster_watch, "ALIVE_SECONDS", 0.0)
        self.client = cluster.client
        for engine in cluster.client.ids:
            cluster.client.direct_view(engine).apply_async(wait_for, path)

    def end(self) -> None:
        self.path.touch()


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


@pytest.fixture
def busy(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Busy]:
    made = Busy(cluster, tmp_path / "go on", monkeypatch)
    yield made
    made.end()


WORKS_HERE = EnginePool(works_here=True)


def test_this_process_works_while_engines_answer_nothing_and_none_may_be_started(
    busy: Busy, caplog: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until they answer: they do the rest, and no element is done twice."""
    own, path = os.getpid(), busy.path

    def function(i: int) -> tuple[int, int]:
        print(i)
        if os.getpid() == own:
            if i == 3:
                path.touch()
            time.sleep(0.05)
        return i, os.getpid()

    values = map_on_cluster(busy.client, function, [(i,) for i in range(200)], pool=WORKS_HERE)
    assert [i for i, _ in values] == list(range(200))
    where = [pid == own for _, pid in values]
    assert all(where[:4]) and not all(where)
    assert "Until one does, the work is done in this process" in caplog.text
    assert "The engines answer again: they do the rest of the work." in caplog.text
    assert capsys.readouterr().out.split() == [str(i) for i in range(200)]


@pytest.mark.parametrize("on_error", ["raise", "return"])
def test_an_element_that_fails_in_this_process_meanwhile(busy: Busy, on_error: str) -> None:
    def function(i: int) -> int:
        if i == 2:
            raise ValueError("two")
        return i

    def run() -> list[Any]:
        return map_on_cluster(
            busy.client, function, [(i,) for i in range(5)], pool=WORKS_HERE,
            on_error=on_error, policy=ElementPolicy(stop_on_error=on_error == "raise"),
        )  # fmt: skip

    if on_error == "raise":
        with pytest.raises(ValueError, match="two"):
            run()
    else:
        values = run()
        assert isinstance(values.pop(2), ValueError) and values == [0, 1, 3, 4]


def test_values_come_one_by_one_from_this_process_meanwhile(busy: Busy) -> None:
    values = iterate_on_cluster(
        busy.client,
        lambda i: i * 10,
        iter([(i,) for i in range(40)]),
        ordered=True,
        buffer_size=4,
        pool=WORKS_HERE,
        find_client=lambda: None,
        tick=lambda: None,
    )
    assert list(values) == [i * 10 for i in range(40)]


def test_calls_are_answered_by_this_process_meanwhile(busy: Busy) -> None:
    with EngineExecutor(lambda: busy.client, lambda: WORKS_HERE) as executor:
        assert list(executor.map(abs, [-1, -2, -3], timeout=60)) == [1, 2, 3]


def test_a_time_out_names_the_engines_that_have_not_answered(busy: Busy) -> None:
    with pytest.raises(TimeoutError, match=r"0 of 3 .* Engines 0, 1 have not answered: .*cleanup"):
        map_on_cluster(busy.client, abs, [(1,)] * 3, timeout=0.3)


def test_engines_at_work_for_another_run_of_the_session_are_no_surprise(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    other = Run(cluster.client, plain_function, (pause,), [1.0] * 2, "other", chunk_size=1)
    while sum(bool(worker.jobs) for worker in other.workers) < 2:
        other.poll(0.01)
    monkeypatch.setattr(silent_engines, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(cluster_watch, "ALIVE_SECONDS", 0.0)
    run = Run(cluster.client, plain_function, (pause,), [0.01], "test")
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        run.poll(0.01)
    assert "not answered" not in caplog.text
    drive(other)
    drive(run)
    assert run.values == [0.01]
