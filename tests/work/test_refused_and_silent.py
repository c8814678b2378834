"""Engines that take no part beside others that do not answer: no run waits without a word."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parallelflow.engine import runner
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager.connection import cluster_connection
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import SetupFailed
from parallelflow.work import cluster_watch, silent_engines, worker
from parallelflow.work.mapping import map_on_cluster
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from parallelflow.work.sent_function import SentFunction
from parallelflow.work.worker import WorkerState
from tests.support.clusters import Cluster, drive, engine_pids, on_real
from tests.support.waiting import BUSY_SECONDS, LIMIT_SECONDS, wait_until

GHOST = 99
REFUSED = "no such thing here"


def refused_except_in(pids: set[int]) -> Any:
    """Make a function in some processes; it cannot be made in others."""
    if os.getpid() not in pids:
        raise RuntimeError(REFUSED)
    return lambda index, element: (element * 10, None)


def pause(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report engines that do not answer at once."""
    monkeypatch.setattr(silent_engines, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(cluster_watch, "ALIVE_SECONDS", 0.0)


@pytest.fixture
def stopped(cluster: Cluster) -> Iterator[int]:
    """Return the process of engine 1, which is stopped and answers nothing."""
    pid = engine_pids(cluster.client)[1]
    cluster.client.kill(1, signal.SIGSTOP)
    yield pid
    cluster.client.kill(1, signal.SIGCONT)


def poll_until(run: Run, condition: Callable[[], object]) -> None:
    """Poll a run until a condition holds."""

    def holds() -> object:
        run.poll(0.01)
        return condition()

    wait_until(holds)


def test_a_large_request_to_a_stopped_engine_is_not_waited_for(client: Any, stopped: int) -> None:
    """As a run's function is, with the session's modules; ipyparallel sends in a thread."""

    def send() -> None:
        answers.append(client.direct_view(1).apply_async(len, bytes(2**20)))

    answers: list[Any] = []
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    sender.join(BUSY_SECONDS)
    assert len(answers) == 1
    client.kill(1, signal.SIGCONT)
    assert answers[0].get(LIMIT_SECONDS) == 2**20


# -- a silent engine is told, though another has answered --------------------------------------


def test_one_that_does_not_answer_is_told_when_the_others_take_no_part(
    cluster: Cluster, stopped: int, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(cluster_watch, "ALIVE_SECONDS", 0.0)
    run = Run(cluster.client, refused_except_in, ({stopped},), range(4), "test")
    poll_until(run, lambda: f"takes no part: {REFUSED}" in caplog.text)
    monkeypatch.setattr(silent_engines, "SILENT_SECONDS", 0.0)
    poll_until(run, lambda: "engine 1 has not answered" in caplog.text)
    assert run.silent == [1]
    cluster.client.kill(1, signal.SIGCONT)
    assert drive(run).values == [0, 10, 20, 30]
    assert caplog.text.count("has not answered") == 1


def test_this_process_works_when_the_others_take_no_part(
    cluster: Cluster, stopped: int, soon: None, caplog: Any
) -> None:
    here = os.getpid()

    class OnlyHere:
        def __reduce__(self) -> Any:
            return refuse, (here,)

        def __call__(self, i: int) -> int:
            return -i

    pool = EnginePool(works_here=True)
    values = map_on_cluster(cluster.client, OnlyHere(), [(i,) for i in range(5)], pool=pool,
                            timeout=LIMIT_SECONDS)  # fmt: skip
    assert values == [0, -1, -2, -3, -4]
    assert "Until one does, the work is done in this process" in caplog.text
    assert "answer again" not in caplog.text


def refuse(pid: int) -> Any:
    if os.getpid() != pid:
        raise RuntimeError(REFUSED)


def test_one_that_does_not_answer_is_told_after_the_others_have_left(
    cluster: Cluster, stopped: int, soon: None, caplog: Any
) -> None:
    """The other engine works first, and ends."""
    run = Run(cluster.client, plain_function, (pause,), [0.05] * 1000, "test", chunk_size=1)
    poll_until(run, lambda: run.progress.done)
    cluster.client.kill(0)
    poll_until(run, lambda: "engine 1 has not answered" in caplog.text)
    run.cancel()


def test_the_refused_run_ends_when_the_silent_engine_is_killed(
    cluster: Cluster, stopped: int
) -> None:
    run = Run(cluster.client, refused_except_in, (set(),), range(2), "test")
    poll_until(run, lambda: any(w.state is WorkerState.EXCLUDED for w in run.workers))
    cluster.client.kill(1)
    with pytest.raises(SetupFailed, match=REFUSED):
        drive(run)


def test_a_silent_engine_that_its_owner_stops_is_not_waited_for(
    cluster: Cluster, stopped: int
) -> None:
    """It is listed until the controller misses its heart beats, half a minute."""
    retired: set[int] = set()
    pool = EnginePool(retired=retired.__contains__)
    run = Run(cluster.client, refused_except_in, (set(),), range(2), "test", pool=pool)
    poll_until(run, lambda: any(w.state is WorkerState.EXCLUDED for w in run.workers))
    retired.add(1)
    with pytest.raises(SetupFailed, match=REFUSED):
        drive(run)


# -- engines that the client lists, and that are not there -------------------------------------


@on_real
def test_an_engine_that_is_listed_and_not_there_is_not_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_connection, "LEFT_EVERY_ROUNDS", 1)
    monkeypatch.setattr(cluster_watch, "REPLACEMENT_SECONDS", 0.3)
    cluster.client._update_engines({GHOST: "an engine whose end was not told"})
    run = Run(cluster.client, refused_except_in, (set(),), range(2), "test")
    with pytest.raises(SetupFailed, match=REFUSED):
        drive(run)
    assert GHOST not in cluster.client.ids


def test_an_engine_that_is_listed_again_after_its_end_begins_anew(cluster: Cluster) -> None:
    """As one is that has lost the connection for a while."""
    client = cluster.client
    told: list[int] = []

    def end(engine: int, function: Any) -> None:
        if engine == 1 and function is runner.setup and not told:
            told.append(engine)
            [lost] = [w for w in run.workers if w.id == 1]
            lost.mark_gone()

    pids = engine_pids(client)
    client.before_send = end
    run = Run(client, refused_except_in, ({pids[1]},), range(4), "test")
    assert drive(run).values == [0, 10, 20, 30] and told


# -- what is sent a second time ---------------------------------------------------------------


def test_a_function_that_was_lost_on_its_second_way_is_sent_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both engines have answered once, and have lost the function since."""
    monkeypatch.setattr(worker, "SETUP_SECONDS", 0.2)
    run = Run(cluster.client, plain_function, (pause,), [0.02] * 40, "test", chunk_size=1)
    lost: list[int] = []
    send = worker.Worker._send

    def lose(self: Any, chunk: Any, function: Any, *arguments: Any) -> Any:
        if function is runner.setup and self.info and self.id not in lost:
            lost.append(self.id)
            return None
        return send(self, chunk, function, *arguments)

    monkeypatch.setattr(worker.Worker, "_send", lose)
    poll_until(run, lambda: len(run.workers.ready()) == 2)
    for one in run.workers:
        run.workers.set_up_again(one)
    assert drive(run).values == [0.02] * 40 and sorted(lost) == [0, 1]


def test_an_answer_to_a_function_that_was_sent_twice_counts_once(
    cluster: Cluster, stopped: int, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(worker, "SETUP_SECONDS", 0.05)
    run = Run(cluster.client, refused_except_in, ({stopped},), range(4), "test")
    poll_until(run, lambda: any(w.id == 1 and w.unanswered > 2 for w in run.workers))
    cluster.client.kill(1, signal.SIGCONT)
    assert drive(run).values == [0, 10, 20, 30]
    assert caplog.text.count("takes no part") == 1


def test_an_element_is_tried_again_on_its_engine_when_the_other_does_not_answer(
    cluster: Cluster, stopped: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(worker, "SETUP_SECONDS", 0.1)

    def once(i: int) -> int:
        path = tmp_path / str(i)
        if not path.exists():
            path.touch()
            raise ValueError(i)
        return i

    values = map_on_cluster(cluster.client, once, [(i,) for i in range(3)],
                            policy=ElementPolicy(retries=1), timeout=LIMIT_SECONDS)  # fmt: skip
    assert values == [0, 1, 2]


def test_a_machine_gets_the_function_from_another_engine_if_the_first_does_not_answer() -> None:
    sent: list[tuple[str, bool]] = []

    def engine(name: str, **state: Any) -> Any:
        def set_up(key: str, state: bytes, offer: object, keep: bool, frames: object) -> None:
            sent.append((name, keep))
            made.unanswered += 1

        made = SimpleNamespace(
            machine="far", shares_memory=False, shares_copy=True, awaits_copy=False, info={},
            state=WorkerState.SETTING_UP, unanswered=0, set_up=set_up, **state,
        )  # fmt: skip
        return made

    large: Any = SimpleNamespace(nbytes=10**9, frames=lambda: [b"function"])
    function = SentFunction("key", b"", large, SimpleNamespace(offer=None))  # type: ignore[arg-type]
    first, second = engine("first", is_late=False), engine("second", is_late=False)
    function.set_up(first)
    function.set_up(second)
    assert sent == [("first", True)] and second.awaits_copy
    first.is_late = True
    function.set_up(second)
    assert sent == [("first", True), ("second", True)]
