"""Elements that take too long or raise now and then cost no other element."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine import time_limit
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine.remote_failure import RemoteFailure
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import FailureStage
from parallelflow.work.attempt import Attempt
from parallelflow.work.backlog import Backlog
from parallelflow.work.chunks import Chunk
from parallelflow.work.losses import Loss, judge_loss
from parallelflow.work.outcomes import Fail, Keep, Requeue, Retry
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.retries import with_retries
from parallelflow.work.run import Run
from tests.support.clusters import Cluster, drive, on_both
from tests.support.elements import hang_in_c

pytestmark = pytest.mark.timeout(300)

TOTAL = 40
RAISED = RemoteFailure("run", "ValueError", "on purpose")


def behave(element: Any) -> Any:
    """Return ten times a number; a word says what else to do."""
    if element == "sleep":
        while True:
            time.sleep(1)
    if element == "swallow":
        for _ in range(4):  # the first interrupts are taken for something else
            try:
                time.sleep(3600)
            except BaseException:
                pass
        return "over its time"
    if element == "stuck in C":
        hang_in_c()
    if element == "eat":
        limit = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, limit[1]))
        try:
            return len(bytearray(10**11))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limit)
    return element * 10


def run_of(cluster: Cluster, elements: list[Any], policy: ElementPolicy, **options: Any) -> Run:
    pool = EnginePool(replace=lambda engine: cluster.start_engines(1))
    options.setdefault("pool", pool)
    return Run(cluster.client, plain_function, (behave,), elements, "test", policy=policy,
               **options)  # fmt: skip


@pytest.mark.long_wait
@on_both
def test_all_others_survive_elements_that_never_end(cluster: Cluster) -> None:
    elements: list[Any] = [*range(TOTAL)]
    elements[5], elements[17], elements[30] = "sleep", "stuck in C", "eat"
    run = drive(run_of(cluster, elements, ElementPolicy(False, time_limit=2.0)))
    assert {i: f.stage for i, f in run.failures.items()} == {5: "timeout", 17: "timeout", 30: "run"}
    good = [i for i in range(TOTAL) if i not in run.failures]
    assert [run.values[i] for i in good] == [i * 10 for i in good]
    assert str(run.failures[5]).endswith(
        "it reached its time limit, TimeoutError: it took longer than 2 s"
    )
    assert "behave" in run.failures[5].traceback
    assert "did not end when it was interrupted" in run.failures[17].message
    assert run.failures[30].error_type == "MemoryError"


def test_an_element_that_swallows_interrupts_fails_and_its_engine_lives(cluster: Cluster) -> None:
    before = cluster.client.ids
    policy = ElementPolicy(False, time_limit=1.0)
    run = drive(run_of(cluster, ["swallow", 1, 2, 3], policy, chunk_size=4))
    assert run.values == [None, 10, 20, 30]
    assert run.failures[0].stage == "timeout"
    assert cluster.client.ids == before


def test_a_late_element_stops_a_run_that_stops_at_failures(cluster: Cluster) -> None:
    run = drive(run_of(cluster, [1, "sleep", *range(100)], ElementPolicy(time_limit=1.0)))
    assert list(run.failures) == [1] and run.values[0] == 10


def test_elements_within_their_limit_are_left_alone(cluster: Cluster) -> None:
    """Their chunk as a whole takes several times as long."""

    def pause(i: int) -> int:
        time.sleep(0.3)
        return i

    policy = ElementPolicy(time_limit=1.5)
    arguments = (pause,)
    run = drive(Run(cluster.client, plain_function, arguments, range(20), "test", policy=policy,
                    chunk_size=10))  # fmt: skip
    assert run.values == list(range(20)) and not run.failures


def failing(folder: Path, times: int) -> Any:
    """Return a function that raises so often for each odd element, counted on disk."""

    def work(i: int) -> int:
        import os

        with open(folder / str(i), "a") as file:
            file.write(f"{os.getpid()}\n")
        attempts = len((folder / str(i)).read_text().splitlines())
        if i % 2 and attempts <= times:
            raise ValueError(f"attempt {attempts} of {i}")
        return i * 10

    return work


@on_both
def test_an_element_that_raises_in_two_of_three_attempts_has_a_value(
    cluster: Cluster, tmp_path: Path
) -> None:
    policy = ElementPolicy(retries=2)
    arguments = (failing(tmp_path, 2),)
    outputs: list[int] = []
    run = Run(cluster.client, plain_function, arguments, range(TOTAL), "test", policy=policy,
              on_chunk=lambda start, result, worker: outputs.append(start))  # fmt: skip
    drive(run)
    assert run.values == [i * 10 for i in range(TOTAL)] and not run.failures
    assert run.done == set(range(TOTAL)) and run.progress.done == TOTAL
    for i in range(1, TOTAL, 2):
        first, second, third = (tmp_path / str(i)).read_text().split()
        assert first != second != third, "it was tried again on the engine on which it had failed"


def test_the_error_tells_each_attempt(cluster: Cluster, tmp_path: Path) -> None:
    policy = ElementPolicy(False, retries=2)
    arguments = (failing(tmp_path, 9),)
    run = drive(Run(cluster.client, plain_function, arguments, range(4), "test", policy=policy))
    assert sorted(run.failures) == [1, 3] and run.done == {0, 2}
    first, *attempts = run.failures[1].message.splitlines()
    assert first == "attempt 3 of 1"
    assert attempts[0].startswith("attempt 1, on engine ")
    assert attempts[0].endswith("ValueError: attempt 1 of 1") and len(attempts) == 2


def test_it_is_tried_again_on_the_only_engine(cluster: Cluster, tmp_path: Path) -> None:
    cluster.client.kill(0)
    arguments = (failing(tmp_path, 1),)
    run = Run(cluster.client, plain_function, arguments, range(4), "test",
              policy=ElementPolicy(retries=1))  # fmt: skip
    assert drive(run).values == [0, 10, 20, 30]


# -- decisions, without engines -------------------------------------------------------------


def test_what_has_raised_goes_again_singly_until_it_has_had_its_retries() -> None:
    chunk = Chunk(4, ["a", "b"])
    keep, fail = Keep(chunk, None), Fail(5, "b", RAISED)  # type: ignore[arg-type]
    assert with_retries([keep, fail], chunk, 0, 3, "host") == [keep, fail]
    [_, retry] = with_retries([keep, fail], chunk, 1, 3, "host")
    assert isinstance(retry, Retry)
    assert (retry.chunk.start, retry.chunk.elements) == (5, ["b"])
    assert retry.chunk.attempts == (Attempt(3, "host", "ValueError: on purpose"),)
    [last] = with_retries([fail], retry.chunk, 1, 4, "host")
    assert isinstance(last, Fail)
    assert last.failure.message == (
        "on purpose\nattempt 1, on engine 3 (host): ValueError: on purpose"
    )


@pytest.mark.parametrize("stage", ["timeout", "lost", "interrupted", "pickle", "result"])
def test_what_did_not_raise_is_not_tried_again(stage: FailureStage) -> None:
    fail = Fail(0, "a", RemoteFailure(stage, "E", "m"))
    assert with_retries([fail], Chunk(0, ["a"]), 5, 0, None) == [fail]


def test_a_retry_waits_for_another_engine_where_there_is_one() -> None:
    backlog = Backlog(["a", "b"], (), 1, None)
    again = Chunk(0, ["a"], attempts=(Attempt(3, "host", "error"),))
    backlog.next(2, 0, False, 3)
    backlog.retry(again)
    second = backlog.next(2, 0, False, 3)
    assert second is not None and second.elements == ["b"]
    assert backlog.next(2, 0, False, 3) is None and backlog
    assert backlog.next(2, 0, False, 4) is again and not backlog
    backlog.retry(again)
    assert backlog.next(1, 0, False, None) is again


def test_an_engine_that_ended_over_the_limit_has_ended_by_it() -> None:
    late = 10 + time_limit.LEAST_END_SECONDS
    chunk = Chunk(0, ["a"], began=100.0)
    [fail] = judge_loss([chunk], 1, Loss.CRASHED, 100 + late, 10.0)
    assert isinstance(fail, Fail) and fail.failure.stage == "timeout"
    several = Chunk(0, ["a", "b"], began=100.0)
    decisions = judge_loss([several, Chunk(2, ["c"])], 1, Loss.CRASHED, 100 + late, 10.0)
    spans = [(d.chunk.start, d.chunk.elements) for d in decisions if isinstance(d, Requeue)]
    assert spans == [(2, ["c"]), (1, ["b"]), (0, ["a"])]
    for when, limit in [(100 + late - 0.1, 10.0), (1000.0, None)]:
        [decision] = judge_loss([Chunk(0, ["a"], began=100.0)], 1, Loss.CRASHED, when, limit)
        assert not isinstance(decision, Fail)
    # It waited behind another one.
    [decision] = judge_loss([Chunk(0, ["a"])], 1, Loss.CRASHED, 1000.0, 10.0)
    assert not isinstance(decision, Fail)
