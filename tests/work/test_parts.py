"""Parts of a run that need no cluster."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from parallelflow.engine_manager.connection import engine_metadata as facts
from parallelflow.engine_manager.connection import user_interrupts
from parallelflow.progress import Progress, RunState, Snapshot
from parallelflow.trace import Sent
from parallelflow.work.backlog import Backlog
from parallelflow.work.chunks import Chunk
from parallelflow.work.progress_bar import ProgressBar
from parallelflow.work.raising import late
from parallelflow.work.worker import Worker


class Client:
    """Something that can be referred to weakly, as a client is."""

    def __init__(self) -> None:
        self.history = ["message"]
        self.purged: list[Any] = []

    def purge_local_results(self, jobs: Any) -> None:
        self.purged.append(jobs)

    def direct_view(self, engine: int) -> Client:
        return self

    def apply_async(self, *arguments: Any) -> Answer:
        return Answer()


class Answer:
    """An answer that has come."""

    msg_ids = ("message",)

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def get(self, timeout: float) -> str:
        if self.error is not None:
            raise self.error
        return "told"

    def add_done_callback(self, callback: Any) -> None:
        callback(self)


def test_an_interrupt_is_asked_for_on_one_cluster() -> None:
    one: Any = Client()
    other: Any = Client()
    user_interrupts.record_user_interrupt(one, 0)
    assert user_interrupts.is_user_interrupt(one, 0)
    assert not user_interrupts.is_user_interrupt(one, 1)
    assert not user_interrupts.is_user_interrupt(other, 0)


def test_what_engines_tell_of_themselves_is_not_kept(monkeypatch: Any) -> None:
    client: Any = Client()
    told: list[str] = []
    facts.ask_ready(client, 0, told.append, lambda: None)
    # By its id: ipyparallel caches the length of an AsyncResult together with it.
    assert told == ["told"] and client.purged == [["message"]]
    assert client.history == []
    client.history = ["message"]
    failed = Answer(ValueError("no answer"))
    monkeypatch.setattr(Client, "apply_async", lambda *_: failed)
    facts.ask_ready(client, 0, told.append, lambda: None)
    assert told == ["told"] and client.purged[1:] == [["message"]] and client.history == []


def suspect(start: int, losses: list[tuple[int, float]], crashes: int = 0) -> Chunk:
    return Chunk(start, [start], losses, crashes)


def test_suspects_are_acquitted_of_losses_that_had_another_reason() -> None:
    backlog = Backlog([], (), None, None)
    backlog.quarantine(suspect(1, [(0, 10.0)], 1))
    backlog.quarantine(suspect(2, [(0, 10.0), (1, 20.0)], 2))
    assert backlog.suspected() == "1 to 2"
    backlog.acquit(lambda engine, when: engine == 0)
    assert backlog.suspected() == "2 to 2"
    [convicted] = backlog.take_convicted()
    assert (convicted.start, convicted.crashes, convicted.losses) == (2, 1, [(1, 20.0)])
    assert backlog.suspected() == ""
    again = backlog.pop()
    assert again is not None and (again.start, again.crashes, again.losses) == (1, 0, [])
    assert backlog.pop() is None


def test_parts_of_a_suspect_have_its_losses_and_each_its_own() -> None:
    parts = list(Chunk(0, [0, 1, 2, 3], [(0, 1.0)]).parts(2))
    parts[0].losses.append((1, 2.0))
    assert [part.losses for part in parts] == [[(0, 1.0), (1, 2.0)], [(0, 1.0)]]


def test_a_time_out_names_what_engines_are_at() -> None:
    model = Progress("f", 9)
    sent = [Sent(0, 1, 4, "here", True), Sent(1, 3, 4, "here", False), Sent(4, 2, 5, "here", True)]
    assert str(late(model, 2.0, sent=sent)) == (
        "f: 0 of 9 elements had finished after 2 s. Under way: 0 on engine 4, 4 to 5 on engine 5. "
        "Give it more time, or more engines."
    )
    many = [Sent(i, 1, i, "here", True) for i in range(6)]
    assert "3 on engine 3 and on 2 more. Give" in str(late(model, 2.0, sent=many))


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_a_clock_that_differs_by_more_than_an_answer_takes_is_noticed(ahead: float) -> None:
    worker = Worker(SimpleNamespace(), 0, lambda *given: None)
    worker.asked_since = time.monotonic() - 1.0
    worker.note_clock(time.time() - 0.5 + ahead)
    assert worker.clock_difference == pytest.approx(-ahead, abs=20.0)
    if not ahead:
        assert worker.clock_difference == 0.0


def test_a_bar_has_its_length_from_the_first_line_on(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    for state in (RunState.PREPARING, RunState.DONE):
        bar(Snapshot(-7, "squares", state, 3, 0, 0, 0, 0.0, 0.0))
    told = capsys.readouterr().err
    assert "0/3" in told and "0/0" not in told
