"""A run of a plain function: order, sizes, failures, cancelling, engines that come and go."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy
import psutil
import pytest

from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager.connection import user_interrupts
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import ClusterLost, SetupFailed
from parallelflow.names import QUIET_REQUEST
from parallelflow.progress import RunState, Snapshot, listen
from parallelflow.work import interrupt
from parallelflow.work.chunks import SHARED_BYTES
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from parallelflow.work.worker import Worker
from tests.support.clusters import Cluster, drive, engine_pids, on_both, on_real
from tests.support.elements import hang_in_c
from tests.support.waiting import BUSY_SECONDS, meet, wait_until


def run_of(client: Any, function: Any, elements: Any, **settings: Any) -> Run:
    return drive(Run(client, plain_function, (function,), elements, "test", **settings))


def pause(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@on_both
def test_values_come_back_in_order_whatever_their_times(client: Any) -> None:
    run = run_of(client, lambda i: pause(0.001 * (i % 7)) * 0 + i, range(300))
    assert run.values == list(range(300))
    assert run.progress.state is RunState.DONE
    assert run.done == set(range(300))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_chunk_size_set_by_the_user_is_kept(client: Any, size: int) -> None:
    sizes = []
    run_of(
        client,
        lambda i: i,
        range(50),
        chunk_size=size,
        on_chunk=lambda start, result, worker: sizes.append(result.count),
    )
    assert sum(sizes) == 50 and max(sizes) == min(size, 50)


def test_small_elements_travel_in_large_chunks(client: Any) -> None:
    count = []
    run = run_of(client, lambda i: i, range(20_000), on_chunk=lambda *_: count.append(1))
    assert run.values[-1] == 19_999
    assert len(count) < 200


def test_both_engines_work(client: Any, tmp_path: Path) -> None:
    run = run_of(client, lambda _: meet(tmp_path), range(40))
    assert len(set(run.values)) == 2


def test_an_iterable_without_a_length_is_taken_as_needed(client: Any) -> None:
    run = run_of(client, lambda i: i + 1, (i for i in range(1000)))
    assert run.values == list(range(1, 1001))
    assert run.progress.total == 1000


def test_progress_is_announced_in_elements(client: Any) -> None:
    seen: list[Snapshot] = []
    stop = listen(seen.append)
    begin = time.monotonic()
    run = run_of(client, lambda i: pause(0.01), range(40))
    seconds = time.monotonic() - begin
    stop()
    mine = [s for s in seen if s.run == run.progress.run]
    assert mine[0].state is RunState.PREPARING and mine[-1].state is RunState.DONE
    done = [s.done for s in mine]
    assert done == sorted(done) and done[-1] == 40 and len(set(done)) > 3
    assert mine[-1].engines == 2
    assert 0.39 < mine[-1].element_seconds <= 2 * seconds


def test_stop_reports_the_lowest_failing_element_and_gives_up_the_rest(client: Any) -> None:
    def function(i: int) -> int:
        if i in (5, 9):
            time.sleep(0.3 if i == 5 else 0)
            raise ValueError(i)
        return i

    run = run_of(client, function, range(10_000), chunk_size=1)
    assert min(run.failures) == 5
    assert run.values[:5] == list(range(5))
    assert len(run.done) < 5000


def test_finishing_the_others_loses_none(client: Any) -> None:
    run = run_of(
        client, lambda i: 1 // (i % 10), range(100), policy=ElementPolicy(stop_on_error=False)
    )
    assert sorted(run.failures) == list(range(0, 100, 10))
    assert run.values == [None if i % 10 == 0 else 1 // (i % 10) for i in range(100)]


def test_what_is_finished_is_not_run_again(client: Any) -> None:
    run = run_of(client, lambda i: -i, range(10), finished=dict.fromkeys((0, 1, 5, 9), "kept"))
    assert run.values == ["kept", "kept", -2, -3, -4, "kept", -6, -7, -8, "kept"]


@on_both
def test_large_arrays_arrive_whole_and_writable(client: Any) -> None:
    def function(a: Any) -> Any:
        a[0] = -1
        return a

    arrays = [numpy.arange(100_000) + i for i in range(6)]
    run = run_of(client, function, arrays)
    for i, array in enumerate(run.values):
        assert array[0] == -1 and array[-1] == 99_999 + i and array.flags.writeable
    assert arrays[0][0] == 0


@on_both
def test_an_exception_that_cannot_be_shown_does_no_harm(client: Any) -> None:
    def function(i: int) -> int:
        class Odd(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        if i == 1:
            raise Odd
        return i

    run = run_of(client, function, [0, 1, 2], policy=ElementPolicy(stop_on_error=False))
    assert run.values == [0, None, 2]
    assert "cannot be shown" in run.failures[1].message


# -- cancelling -----------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a cancel wait for engines that answer, however busy the machine is."""
    monkeypatch.setattr(interrupt, "INTERRUPT_SECONDS", BUSY_SECONDS)


def cancelled(
    client: Any, function: Any, elements: Any, begun: Path, heedless: bool = False
) -> tuple[Run, float, list[int]]:
    """Cancel a run when an element above 1 has begun and those before it have come back.

    If those above 1 are heedless, no interrupt reaches them before they are in C code.
    """

    def noted(x: float) -> float:
        if x >= 1:
            if heedless:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            begun.touch()
        value: float = function(x)
        return value

    run = Run(client, plain_function, (noted,), elements, "test", chunk_size=1)

    def is_at_work() -> bool:
        run.poll(0.05)
        return begun.exists() and run.progress.done > 0

    wait_until(is_at_work)
    begin = time.monotonic()
    stuck = run.cancel()
    return run, time.monotonic() - begin, stuck


@pytest.mark.usefixtures("patient")
@on_both
def test_cancel_interrupts_what_runs_and_drops_what_waits(client: Any, tmp_path: Path) -> None:
    engines = set(client.ids)
    run, seconds, stuck = cancelled(client, pause, [0.01] * 10 + [60] * 100, tmp_path / "begun")
    assert seconds < BUSY_SECONDS and stuck == []
    assert run.progress.state is RunState.CANCELLED
    assert run.done and run.done <= set(range(10))
    assert set(client.ids) == engines
    again = run_of(client, lambda i: i, range(10))
    assert again.values == list(range(10))
    # The hub's own counts drift when tasks are aborted; the engines themselves answer at once.
    assert engine_pids(client)
    assert set(run.values) <= {0.01, None}  # nothing was delivered later


@pytest.mark.usefixtures("patient")
@on_real
def test_a_cancel_at_any_moment_finds_the_engines_answering(client: Any) -> None:
    # Elements end and replies are sent after 0.1 s, 0.2 s and so on: some cancels hit just that.
    for number in range(25):
        run = Run(client, plain_function, (pause,), [0.1] * 100, "test")
        end = time.monotonic() + 0.05 + 0.012 * number
        while time.monotonic() < end:
            run.poll(0.05)
        assert run.cancel() == [], number


def interrupt_before_chunks(on: bool) -> None:
    """Let SIGINT hit this engine each time that it has begun to handle a request of ours."""
    from IPython import get_ipython

    kernel = get_ipython().kernel

    def hit(stream: Any, ident: Any, parent: Any) -> Any:
        if parent["metadata"].get("label") == QUIET_REQUEST:
            os.kill(os.getpid(), signal.SIGINT)
        return kernel.apply_request(stream, ident, parent)

    kernel.shell_handlers["apply_request"] = hit if on else kernel.apply_request


@on_real
def test_an_interrupt_before_a_chunk_begins_does_not_lose_it(client: Any) -> None:
    client[:].apply(interrupt_before_chunks, True).get(BUSY_SECONDS)
    try:
        run = run_of(client, lambda i: -i, range(20), chunk_size=2)
        assert run.values == [-i for i in range(20)]
    finally:
        client[:].apply(interrupt_before_chunks, False).get(BUSY_SECONDS)


@pytest.mark.usefixtures("patient")
@on_both
def test_the_end_of_a_run_leaves_other_runs_alone(client: Any) -> None:
    long = Run(client, plain_function, (pause,), [1.5] * 4, "long", chunk_size=1)
    while long.progress.state is RunState.PREPARING:
        long.poll(0.05)
    short = Run(client, plain_function, (pause,), [0.02] * 100, "short")
    begin = time.monotonic()
    while time.monotonic() - begin < 0.5:
        short.poll(0.05)
        long.poll(0.05)
    assert short.cancel() == []
    drive(long)
    assert long.values == [1.5] * 4 and not long.failures


@pytest.mark.usefixtures("patient")
@on_both
def test_answers_that_another_run_has_not_looked_at_do_not_matter(client: Any) -> None:
    idle = Run(client, plain_function, (pause,), [0.01] * 2, "idle", chunk_size=1)
    while idle.progress.state is RunState.PREPARING:
        idle.poll(0.02)
    long = Run(client, plain_function, (pause,), [60.0] * 2, "long", chunk_size=1)
    begin = time.monotonic()
    while time.monotonic() - begin < 1:
        long.poll(0.05)
    assert long.cancel() == [] and long.progress.done == 0
    begin = time.monotonic()
    assert engine_pids(client)
    drive(idle)
    assert idle.values == [0.01] * 2


@pytest.mark.parametrize("asked", [False, True])
@on_both
def test_an_interrupt_that_nobody_asked_for_costs_nothing(
    client: Any, asked: bool, tmp_path: Path
) -> None:
    pids = engine_pids(client)
    interrupted = tmp_path / "interrupted"

    def function(i: int) -> int:
        """Tell of the element; until the engines are interrupted, it does not end."""
        (tmp_path / str(i)).touch()
        while not interrupted.exists():
            time.sleep(0.01)
        return i

    run = Run(
        client,
        plain_function,
        (function,),
        range(4),
        "test",
        chunk_size=1,
        policy=ElementPolicy(stop_on_error=False),
    )

    def interrupt() -> None:
        begun = [i for i in range(4) if (tmp_path / str(i)).exists()]
        if len(begun) < 2 or interrupted.exists():
            return
        assert len(begun) == 2
        hit.extend(begun)
        for engine, pid in pids.items():
            if asked:
                user_interrupts.record_user_interrupt(client, engine)
            os.kill(pid, signal.SIGINT)
        interrupted.touch()

    hit: list[int] = []
    drive(run, interrupt)
    assert len(hit) == 2
    assert run.values == [None if asked and i in hit else i for i in range(4)], run.failures
    assert [f.stage for f in run.failures.values()] == (["interrupted"] * 2 if asked else [])
    user_interrupts.clear(client)


def test_one_bad_element_among_thousands_is_found_in_a_few_rounds(client: Any) -> None:
    chunks: list[int] = []
    elements: list[Any] = list(range(20_000))
    elements[7_777] = threading.Lock()
    run = run_of(
        client,
        lambda i: i,
        elements,
        policy=ElementPolicy(stop_on_error=False),
        on_chunk=lambda start, result, worker: chunks.append(result.count),
    )
    assert list(run.failures) == [7_777] and run.failures[7_777].stage == "pickle"
    assert run.done == set(range(20_000)) - {7_777}
    assert sum(chunks) == 19_999 and len(chunks) < 200


@on_both
def test_after_a_failure_nothing_is_begun_that_comes_later(client: Any) -> None:
    def function(i: float) -> float:
        pause(min(i, 60))
        return 1 / (0.4 - i) if i == 0.4 else i

    elements = [0.01] * 8 + [1.5, 0.4] + [60.0] * 10
    begin = time.monotonic()
    run = run_of(client, function, elements, chunk_size=1)
    assert list(run.failures) == [9] and run.values[8] == 1.5
    assert time.monotonic() - begin < 2 * BUSY_SECONDS  # an element takes 60
    assert engine_pids(client)


def test_an_engine_that_is_stuck_after_a_failure_is_told(client: Any, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def function(i: int) -> None:
        if i == 0:
            while not begun.exists():
                time.sleep(0.01)
            raise ValueError("early")
        hang_in_c(begun)

    pids = engine_pids(client)
    lost: list[int] = []
    run = run_of(client, function, [0, 1], chunk_size=1, pool=EnginePool(replace=lost.append))
    assert list(run.failures) == [0] and len(lost) == 1
    os.kill(pids[lost[0]], signal.SIGKILL)
    wait_until(lambda: lost[0] not in client.ids)


def stuck_in_c(i: float) -> None:
    """Hang, but for the element 0."""
    if i:
        hang_in_c()


@on_both
def test_an_engine_that_cannot_be_interrupted_is_told(client: Any, tmp_path: Path) -> None:
    pids = engine_pids(client)
    run, seconds, stuck = cancelled(client, stuck_in_c, [0, 1, 1], tmp_path / "begun", True)
    assert seconds < BUSY_SECONDS
    assert stuck and set(stuck) <= set(client.ids)
    assert run.is_finished
    for engine in stuck:  # so that the next test does not wait for it
        os.kill(pids[engine], signal.SIGKILL)
    wait_until(lambda: not set(stuck) & set(client.ids))


# -- engines that come and go ---------------------------------------------------------------


@on_both
def test_an_engine_killed_in_the_middle_costs_nothing(client: Any, caplog: Any) -> None:
    pids = engine_pids(client)
    run = Run(client, plain_function, (lambda i: (pause(0.02), i)[1],), range(200), "test")
    begin = time.monotonic()
    killed = False
    while not run.is_finished:
        run.poll(0.05)
        if not killed and run.progress.done > 30:
            os.kill(pids[min(pids)], signal.SIGKILL)
            killed = True
        assert time.monotonic() - begin < 60
    assert killed
    assert run.values == list(range(200)) and not run.failures
    told = [r.getMessage() for r in caplog.records if "was lost" in r.getMessage()]
    assert len(told) == 1 and f"engine {min(pids)}" in told[0]


def test_many_short_elements_are_not_run_singly_when_an_engine_is_killed(client: Any) -> None:
    pids = engine_pids(client)
    chunks: list[int] = []
    run = Run(
        client,
        plain_function,
        (lambda i: (pause(0.0002), i)[1],),
        range(12_000),
        "test",
        chunk_size=3000,
        on_chunk=lambda start, result, worker: chunks.append(result.count),
    )
    begin, running, killed = time.monotonic(), 0.0, False
    while not run.is_finished:
        run.poll(0.05)
        if run.progress.state is RunState.RUNNING:
            running = running or time.monotonic()
            if not killed and time.monotonic() - running > 0.2:
                victim = next(w.id for w in run.workers if w.jobs)
                os.kill(pids[victim], signal.SIGKILL)
                killed = True
        assert time.monotonic() - begin < 60
    assert run.values == list(range(12_000)) and not run.failures
    assert sum(chunks) == 12_000 and 100 < len(chunks) < 400


@pytest.mark.usefixtures("no_memory_kills")
def test_one_that_ends_engines_is_found_among_very_many(cluster: Cluster) -> None:
    def replace(engine: int) -> None:
        lost.append(engine)
        cluster.start_engines(1)

    lost: list[int] = []
    run = run_of(
        cluster.client,
        lambda i: os._exit(1) if i == 700 else i,
        range(2000),
        chunk_size=1000,
        policy=ElementPolicy(stop_on_error=False),
        pool=EnginePool(replace=replace),
    )
    assert list(run.failures) == [700] and run.failures[700].stage == "lost"
    assert run.values == [None if i == 700 else i for i in range(2000)]
    assert len(lost) == 4


@pytest.mark.usefixtures("no_memory_kills")
def test_what_was_not_run_is_told_when_an_element_ends_the_last_engine(client: Any) -> None:
    run = run_of(
        client,
        lambda i: os._exit(1) if i == 3 else i,
        range(10),
        chunk_size=1,
        policy=ElementPolicy(stop_on_error=False),
    )
    lost = {i: f.message for i, f in run.failures.items()}
    assert lost[3] == "it ended 2 engines"
    assert run.done | lost.keys() == set(range(10)) and not run.done & lost.keys()
    assert {lost[i] for i in lost if i != 3} <= {"no engine was left"}
    for i in lost.keys() - {3}:
        assert run.failures[i].stage == "not run"
        assert str(run.failures[i]).endswith("failed: it was not run, since no engine was left")
        assert "it ended" not in str(run.failures[i])


def unless_on(pid: int) -> Any:
    """Make a function on every engine but one; it ends its engine at the element 3."""
    if os.getpid() == pid:
        raise RuntimeError("not here")

    def function(index: int, i: int) -> Any:
        return (os._exit(1) if i == 3 else i), None

    return function


def test_engines_that_cannot_run_it_do_not_count(client: Any) -> None:
    pids = engine_pids(client)
    begin = time.monotonic()
    with pytest.raises(SetupFailed, match="not here"):
        drive(Run(client, unless_on, (pids[min(pids)],), range(10), "test"))
    assert time.monotonic() - begin < BUSY_SECONDS


@on_both
def test_an_engine_that_joins_in_the_middle_gets_work(cluster: Cluster, tmp_path: Path) -> None:
    def function(i: int) -> int:
        """Return the process; what has begun only ends when the third engine has begun, too."""
        return meet(tmp_path, 3)

    starter = threading.Thread(target=cluster.start_engines, args=(1,))
    run = Run(cluster.client, plain_function, (function,), range(60), "t", chunk_size=1)
    starter.start()
    drive(run)
    starter.join()
    assert len(set(run.values)) == 3
    assert len(cluster.client.ids) == 3
    os.kill(run.values[-1], signal.SIGKILL)
    wait_until(lambda: len(cluster.client.ids) == 2)


def test_a_function_that_is_lost_on_its_way_is_sent_again(client: Any, monkeypatch: Any) -> None:
    # As a message is that comes before the engine's connection is complete.
    really, lost = Worker.set_up, set()

    def set_up(worker: Worker, *arguments: Any) -> None:
        if worker.id in lost:
            really(worker, *arguments)
        lost.add(worker.id)

    monkeypatch.setattr(Worker, "set_up", set_up)
    run = Run(client, plain_function, (abs,), [-1, -2, -3], "test")
    drive(run)
    assert run.values == [1, 2, 3] and lost == set(client.ids)


@on_both
def test_the_last_engine_gone_is_an_error_within_ten_seconds(client: Any) -> None:
    pids = engine_pids(client)
    run = Run(client, plain_function, (pause,), [0.05] * 400, "test")

    def is_at_work() -> bool:
        run.poll(0.05)
        return run.progress.done > 0

    wait_until(is_at_work)
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    with pytest.raises(ClusterLost, match="last engine went away"):
        drive(run)
    assert time.monotonic() - begin < 10 + BUSY_SECONDS
    run.cancel()


def test_a_cluster_that_is_gone_is_an_error_within_ten_seconds(client: Any) -> None:
    alive = [True]
    pool = EnginePool(alive=lambda: alive[0])
    run = Run(client, plain_function, (pause,), [0.05] * 400, "test", pool=pool)
    run.poll(0.05)
    alive[0] = False
    begin = time.monotonic()
    with pytest.raises(ClusterLost, match="of 400 elements unfinished"):
        drive(run)
    assert time.monotonic() - begin < 10 + BUSY_SECONDS
    run.cancel()


@pytest.mark.own_cluster
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_controller_gone_is_an_error_within_ten_seconds(how: int) -> None:
    from parallelflow.engine_manager import EngineManager

    manager = EngineManager(profile="lost-controller")
    manager.configure(engines=1)
    try:
        client = manager.ensure_engines()
        assert client is not None
        (controller,) = [
            pid
            for pid in manager.started()
            if "launch.controller_main" in " ".join(psutil.Process(pid).cmdline())
        ]
        pool = manager.engine_pool()
        run = Run(client, plain_function, (pause,), [0.05] * 4000, "test", pool=pool)

        def is_at_work() -> bool:
            run.poll(0.05)
            return run.progress.done > 0

        wait_until(is_at_work)
        os.killpg(controller, how)
        begin = time.monotonic()
        with pytest.raises(ClusterLost, match="of 4000 elements unfinished"):
            drive(run)
        assert time.monotonic() - begin < 10 + BUSY_SECONDS
        run.cancel()
    finally:
        manager.stop()


# -- nothing kept ---------------------------------------------------------------------------


@on_real
def test_nothing_grows_from_run_to_run(client: Any) -> None:
    def sizes() -> tuple[int, ...]:
        return len(client.results), len(client.metadata), len(client.history)

    def function(i: int) -> bytes:
        return bytes(100_000)

    def held(_: Any) -> int:
        from parallelflow.engine import runner

        return len(runner.known_keys())

    run_of(client, function, range(50))
    time.sleep(0.5)
    before = sizes()
    for _ in range(5):
        run_of(client, function, range(50))
    time.sleep(0.5)
    after = sizes()
    # What the last run told the engines to forget may still be unanswered.
    assert all(b - a <= 10 for a, b in zip(before, after, strict=True)), (before, after)
    assert max(client[:].apply_sync(held, None)) == 0


@on_real
def test_memory_of_hub_engines_and_client_does_not_grow(client: Any, manager: Any) -> None:
    def memory() -> dict[int, int]:
        mine = [psutil.Process(pid) for pid in [*manager.started(), os.getpid()]]
        trees = [p for m in mine[:-1] for p in m.children(recursive=True)]
        return {p.pid: p.memory_info().rss for p in [*mine, *trees]}

    def function(i: int) -> bytes:
        return i.to_bytes(1, "big") * 400_000

    # Until the allocators have what such a run needs at most.
    for _ in range(10):
        run_of(client, function, range(100))
    before = memory()
    for _ in range(10):
        run_of(client, function, range(100))
    after = memory()
    # 400 MB have passed through; the allocators' own slack is some tens of megabytes.
    growth = {pid: after[pid] - before[pid] for pid in before if pid in after}
    assert len(growth) > 10
    assert sum(growth.values()) < 100_000_000, growth


def test_a_chunk_that_takes_longer_than_thought_is_shared(client: Any) -> None:
    slow: list[int] = []

    def note(start: int, result: Any, worker: Any) -> None:
        slow.append(len([i for i in range(start, start + result.count) if i >= 100]))

    seconds = [0.0] * 100 + [0.3] * 12
    run = Run(client, plain_function, (pause,), seconds, "test", on_chunk=note)
    drive(run)
    assert run.values == seconds and sum(slow) == 12
    # All of them would have gone to one engine, to judge by those before them.
    assert max(slow) <= 3


@on_both
def test_large_elements_do_not_pile_up_in_one_message(client: Any) -> None:
    counts: list[int] = []

    def note(start: int, result: Any, worker: Any) -> None:
        counts.append(result.count)

    elements = [bytes(8_000_000 + i) for i in range(18)]
    run = Run(client, plain_function, (len,), elements, "test", on_chunk=note)
    drive(run)
    assert run.values == [8_000_000 + i for i in range(18)] and sum(counts) == 18
    assert max(counts) <= SHARED_BYTES // 8_000_000 < 18 / 2
