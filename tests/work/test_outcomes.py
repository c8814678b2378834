"""What becomes of a chunk's elements: facts in, decisions out; no cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ipyparallel.error import EngineError, RemoteError

from parallelflow.engine import payload
from parallelflow.engine.remote_failure import RemoteFailure
from parallelflow.engine.runner import ChunkResult
from parallelflow.work import outcomes
from parallelflow.work.chunks import Chunk
from parallelflow.work.losses import MAX_LOSSES, Loss, judge_loss
from parallelflow.work.outcomes import (
    PARTS,
    CheckCluster,
    Decision,
    Defer,
    Fail,
    Interrupter,
    Keep,
    Quarantine,
    Requeue,
    SetUpAgain,
)

TROUBLE = RemoteFailure("run", "ValueError", "on purpose")


def nobody() -> Interrupter:
    raise AssertionError("nobody has interrupted it")


def result(count: int, **failures: RemoteFailure) -> ChunkResult:
    """Return the result of the first elements; failures by *eN* for the position N."""
    return ChunkResult(
        count=count,
        values=[f"value {i}" for i in range(count)],
        seconds=[0.1] * count,
        failures={int(name[1:]): failure for name, failure in failures.items()},
        outputs={i: [("stdout", f"{i}")] for i in range(count)},
    )


def spans(decisions: list[Decision]) -> list[Any]:
    """Return decisions in short: which elements, counted in the whole list."""
    short: list[Any] = []
    for each in decisions:
        if isinstance(each, Keep):
            short.append(("keep", each.chunk.start, each.result.count))
        elif isinstance(each, Fail):
            short.append(("fail", each.index, each.failure.stage))
        elif isinstance(each, (Requeue, Quarantine)):
            name = type(each).__name__.lower()
            short.append((name, each.chunk.start, each.chunk.elements))
        else:
            short.append(each)
    return short


def test_a_whole_chunk_is_kept() -> None:
    chunk = Chunk(10, ["a", "b"])
    decisions = outcomes.judge_result(chunk, result(2), nobody)
    assert spans(decisions) == [("keep", 10, 2)]


def test_failed_elements_fail_and_those_for_the_client_are_run_there() -> None:
    chunk = Chunk(10, ["a", "b", "c"])
    came = result(3, e0=TROUBLE, e2=RemoteFailure("client", "RunOnClient", ""))
    decisions = outcomes.judge_result(chunk, came, nobody)
    assert spans(decisions) == [("keep", 10, 3), ("fail", 10, "run"), Defer(12)]
    assert decisions[1] == Fail(10, "a", TROUBLE)


def test_what_a_chunk_has_left_undone_goes_again() -> None:
    decisions = outcomes.judge_result(Chunk(10, ["a", "b", "c"]), result(1), nobody)
    assert spans(decisions) == [("keep", 10, 1), ("requeue", 11, ["b", "c"])]
    suspect = Chunk(10, ["a", "b", "c"], losses=[(0, 1.0)])
    decisions = outcomes.judge_result(suspect, result(1), nobody)
    assert spans(decisions) == [("keep", 10, 1), ("quarantine", 11, ["b", "c"])]


INTERRUPTED = RemoteFailure("interrupted", "KeyboardInterrupt", "")
WRAPPED = RemoteFailure("interrupted", "ModuleError", "interrupted", exception=b"pickle")
OWN = RemoteFailure("interrupted", "KeyboardInterrupt", "", exception=b"pickle")


@pytest.mark.parametrize("failure", [INTERRUPTED, WRAPPED])
def test_an_element_that_the_user_has_interrupted_fails(failure: RemoteFailure) -> None:
    decisions = outcomes.judge_result(
        Chunk(10, ["a", "b", "c"]), result(2, e1=failure), lambda: Interrupter.USER
    )
    assert spans(decisions) == [
        ("keep", 10, 2), ("fail", 11, "interrupted"), ("requeue", 12, ["c"])
    ]  # fmt: skip


def test_an_element_that_raises_keyboard_interrupt_itself_fails() -> None:
    decisions = outcomes.judge_result(Chunk(10, ["a"]), result(1, e0=OWN), nobody)
    assert spans(decisions) == [("keep", 10, 1), ("fail", 10, "interrupted")]


@pytest.mark.parametrize("failure", [INTERRUPTED, WRAPPED])
def test_an_interrupt_that_was_meant_for_another_costs_nothing(failure: RemoteFailure) -> None:
    came = result(2, e1=failure)
    decisions = outcomes.judge_result(Chunk(10, ["a", "b"]), came, lambda: Interrupter.OTHER)
    assert spans(decisions) == [("keep", 10, 1), ("requeue", 11, ["b"])]
    kept, again = decisions
    assert isinstance(kept, Keep) and isinstance(again, Requeue)
    assert kept.result.values == ["value 0"] and kept.result.seconds == [0.1]
    assert kept.result.failures == {} and list(kept.result.outputs) == [0]
    assert again.chunk.interrupts == 1
    assert came.count == 2 and list(came.failures) == [1]  # untouched
    # A second time it fails: something interrupts it again and again.
    last = outcomes.judge_result(again.chunk, result(1, e0=failure), lambda: Interrupter.OTHER)
    assert spans(last) == [("keep", 11, 1), ("fail", 11, "interrupted")]
    # But not for what came before it in its chunk.
    before = Chunk(10, ["a", "b"], interrupts=1)
    decisions = outcomes.judge_result(before, came, lambda: Interrupter.OTHER)
    assert spans(decisions) == [("keep", 10, 1), ("requeue", 11, ["b"])]


@pytest.mark.parametrize("interrupts", [0, 5])
def test_an_element_that_the_end_of_the_cluster_interrupts_is_not_lost(interrupts: int) -> None:
    chunk = Chunk(10, ["a", "b"], interrupts=interrupts)
    decisions = outcomes.judge_result(
        chunk, result(1, e0=INTERRUPTED), lambda: Interrupter.SHUTDOWN
    )
    assert spans(decisions) == [("keep", 10, 0), ("requeue", 10, ["a", "b"]), CheckCluster()]
    error = RemoteError("KeyboardInterrupt", "", "")
    decisions = outcomes.judge_error(chunk, error, lambda: Interrupter.SHUTDOWN)
    assert spans(decisions) == [("requeue", 10, ["a", "b"]), CheckCluster()]


def test_an_interrupt_before_the_first_element_costs_nothing_the_first_time() -> None:
    error = RemoteError("KeyboardInterrupt", "", "")
    chunk = Chunk(10, ["a"], alone=True)
    [again] = outcomes.judge_error(chunk, error, lambda: Interrupter.OTHER)
    assert isinstance(again, Requeue) and again.chunk.interrupts == 1 and not again.chunk.alone
    decisions = outcomes.judge_error(again.chunk, error, lambda: Interrupter.OTHER)
    assert spans(decisions) == [("fail", 10, "run")]
    suspect = Chunk(10, ["a"], losses=[(0, 1.0)])
    assert isinstance(
        outcomes.judge_error(suspect, error, lambda: Interrupter.OTHER)[0], Quarantine
    )


def test_an_engine_that_has_no_function_gets_it_again() -> None:
    chunk = Chunk(10, ["a"])
    decisions = outcomes.judge_error(chunk, RemoteError("LookupError", "", ""), nobody)
    assert decisions == [Requeue(chunk), SetUpAgain()]


def test_of_a_chunk_that_cannot_be_read_each_element_is_found() -> None:
    elements = list(range(10))
    unreadable = ChunkResult(unreadable=RemoteFailure("input", "ImportError", "no module"))
    waiting, rounds, failed = [Chunk(100, elements)], 0, []
    while waiting:
        chunk = waiting.pop()
        rounds += 1
        bad = 7 in chunk.elements
        came = unreadable if bad else result(len(chunk.elements))
        for each in outcomes.judge_result(chunk, came, nobody):
            if isinstance(each, Requeue):
                waiting.append(each.chunk)
            elif isinstance(each, Fail):
                failed.append((each.index, each.element, each.failure.stage))
    assert failed == [(107, 7, "input")] and rounds < 10
    parts = outcomes.judge_unsendable(Chunk(100, elements), TROUBLE)
    # Each one goes before those that wait, so that the first one is the last to be added.
    assert [p.chunk.start for p in parts if isinstance(p, Requeue)] == [109, 106, 103, 100]
    assert len(parts) == PARTS


def test_a_result_that_cannot_be_read_here_fails_its_element() -> None:
    decisions = outcomes.judge_reply(Chunk(10, ["a"]), [b"no pickle"], nobody)
    assert spans(decisions) == [("fail", 10, "result")]
    frames = payload.dump(result(1))
    assert spans(outcomes.judge_reply(Chunk(10, ["a"]), frames, nobody)) == [("keep", 10, 1)]


def test_another_error_fails_a_single_element_and_divides_several() -> None:
    error = RemoteError("MemoryError", "no room", "")
    assert spans(outcomes.judge_error(Chunk(10, ["a"]), error, nobody)) == [("fail", 10, "run")]
    decisions = outcomes.judge_error(Chunk(10, ["a", "b"]), error, nobody)
    assert spans(decisions) == [("requeue", 11, ["b"]), ("requeue", 10, ["a"])]


# -- engines that are lost --------------------------------------------------------------------


def test_an_engine_that_its_owner_has_stopped_is_no_elements_fault() -> None:
    chunks = [Chunk(0, ["a"], alone=True), Chunk(1, ["b"])]
    decisions = judge_loss(chunks, 5, Loss.STOPPED, 1.0)
    assert spans(decisions) == [("requeue", 1, ["b"]), ("requeue", 0, ["a"])]
    assert chunks[0].losses == []


def test_only_the_chunk_that_an_engine_worked_at_is_suspected() -> None:
    chunks = [Chunk(0, ["a", "b"]), Chunk(2, ["c"])]
    decisions = judge_loss(chunks, 5, Loss.CRASHED, 1.0)
    assert spans(decisions) == [
        ("requeue", 2, ["c"]), ("quarantine", 0, ["a"]), ("quarantine", 1, ["b"])
    ]  # fmt: skip
    suspects = [each.chunk for each in decisions if isinstance(each, Quarantine)]
    assert [s.losses for s in suspects] == [[(5, 1.0)]] * 2 and [s.crashes for s in suspects] == [
        0,
        0,
    ]
    assert chunks[0].losses == []  # untouched


def alone(start: int, chunk: Chunk) -> Chunk:
    return Chunk(start, chunk.elements, chunk.losses, chunk.crashes, alone=True)


def test_an_element_fails_when_two_engines_have_crashed_while_it_was_alone() -> None:
    [first] = judge_loss([Chunk(0, ["a"])], 1, Loss.CRASHED, 1.0)
    assert isinstance(first, Quarantine) and first.chunk.crashes == 0  # others ran, too
    [second] = judge_loss([alone(0, first.chunk)], 2, Loss.CRASHED, 2.0)
    assert isinstance(second, Quarantine) and second.chunk.crashes == 1
    [third] = judge_loss([alone(0, second.chunk)], 3, Loss.CRASHED, 3.0)
    assert isinstance(third, Fail) and third.failure.message == "it ended 3 engines"


def test_an_element_fails_when_many_engines_have_frozen_while_it_was_alone() -> None:
    chunk = Chunk(0, ["a"])
    for number in range(1, MAX_LOSSES):
        [again] = judge_loss([alone(0, chunk)], number, Loss.FROZEN, 1.0)
        assert isinstance(again, Quarantine) and again.chunk.crashes == 0
        chunk = again.chunk
    [last] = judge_loss([alone(0, chunk)], 9, Loss.FROZEN, 1.0)
    assert isinstance(last, Fail) and last.failure.stage == "lost"


def test_an_element_is_innocent_of_engines_that_were_taken_away_however_often() -> None:
    chunk = Chunk(0, ["a"])
    for number in range(20):
        [again] = judge_loss([alone(0, chunk)], number, Loss.TAKEN_AWAY, 1.0)
        assert isinstance(again, Requeue)
        chunk = again.chunk
    assert chunk.losses == [] and chunk.crashes == 0
    suspect = Chunk(0, ["a"], [(1, 1.0)], 1, alone=True)
    assert judge_loss([suspect], 2, Loss.TAKEN_AWAY, 1.0) == [Quarantine(suspect)]


def test_several_elements_never_fail_together_by_a_loss() -> None:
    chunk = Chunk(0, ["a", "b"], [(i, 1.0) for i in range(MAX_LOSSES)], 2, alone=True)
    decisions = judge_loss([chunk], 9, Loss.CRASHED, 1.0)
    assert [type(each) for each in decisions] == [Quarantine, Quarantine]


def test_nothing_is_decided_about_an_engine_without_work() -> None:
    for loss in Loss:
        assert judge_loss([], 0, loss, 1.0) == []


def test_what_the_run_has_interrupted_keeps_what_comes_before_the_first_failure() -> None:
    came = result(4, e2=TROUBLE, e3=INTERRUPTED)
    kept = outcomes.keep_finished(Chunk(10, list("abcdef")), came)
    assert kept.result.count == 2 and kept.result.values == ["value 0", "value 1"]
    assert kept.result.failures == {}


@pytest.mark.parametrize(
    ("error", "died"),
    [
        (EngineError("Engine 0 died"), True),
        (RemoteError("EngineError", "Engine 0 died", ""), True),
        (RemoteError("ValueError", "EngineError", ""), False),
    ],
)
def test_deaths_are_told_from_errors(error: Exception, died: bool) -> None:
    assert outcomes.says_engine_died(error) is died
