"""Runs of a few short elements: one round trip to engines that the session knows, and no more."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine import runner
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager.connection.client_cache import forget
from parallelflow.engine_manager.connection.requests import send_request
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import SetupFailed
from parallelflow.system.collection import no_collection
from parallelflow.work import worker
from parallelflow.work.run import Run
from tests.support.clusters import Cluster, drive, on_real
from tests.support.dying import make
from tests.support.waiting import wait_until

# Where the arguments of `runner.run_chunk` say until when it has to be begun.
BEGIN_BY = 5


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Any, Any]]:
    """Return what is sent to engines: engine, function and arguments."""
    sent: list[tuple[int, Any, Any]] = []
    original = worker.send_request

    def send(client: Any, engine: int, function: Any, arguments: Any) -> Any:
        sent.append((engine, function, arguments))
        return original(client, engine, function, arguments)

    monkeypatch.setattr(worker, "send_request", send)
    # The machine may be busy; the engines are on it.
    monkeypatch.setattr(worker, "SAME_CLOCK_SECONDS", 60)
    return sent


def run_until_both_have_worked(client: Any, run: Callable[[], Run], sent: list[Any]) -> None:
    while {engine for engine, function, _ in sent if function is runner.run_chunk} != set(
        client.ids
    ):
        drive(run())


def test_a_chunk_follows_the_function_to_engines_that_are_known(
    client: Any, sent: list[Any]
) -> None:
    def run() -> Run:
        return Run(client, make, ("none", ""), [1, 2], "short", chunk_size=1)

    run_until_both_have_worked(client, run, sent)
    sent.clear()
    assert drive(run()).values == [10, 20]
    # The second time each engine had its element before it had answered to the function.
    chunks = [arguments for _, function, arguments in sent if function is runner.run_chunk]
    assert all(arguments[BEGIN_BY] is not None for arguments in chunks[:2])


def wait_for(path: str) -> None:
    wait_until(Path(path).exists)


def test_what_followed_to_a_busy_engine_goes_to_another_one_and_is_run_once(
    client: Any, tmp_path: Path, sent: list[Any]
) -> None:
    """Another session may have given it work for hours, of which this one knows nothing."""
    ran = tmp_path / "ran"

    def append(element: int) -> int:
        with ran.open("a") as file:
            file.write(f"{element}\n")
        return element

    def run() -> Run:
        return Run(client, plain_function, (append, False), [1, 2], "short", chunk_size=1)

    run_until_both_have_worked(client, run, sent)
    ran.unlink()
    sent.clear()
    free = tmp_path / "free"
    stuck = client.direct_view(client.ids[0]).apply_async(wait_for, str(free))
    assert drive(run()).values == [1, 2]
    assert not stuck.done()
    engines = [engine for engine, function, _ in sent if function is runner.run_chunk]
    assert client.ids[0] in engines[:2]
    free.touch()
    stuck.get(timeout=60)
    # By now it has refused what it had.
    assert client.direct_view(client.ids[0]).apply_async(int).get(timeout=60) == 0
    assert sorted(ran.read_text().split()) == ["1", "2"]


def test_what_came_too_late_behind_the_function_waits_for_the_answer(
    client: Any, sent: list[tuple[int, Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would come too late again and again on a machine that is busy, or by a slow network."""

    def run() -> Run:
        return Run(client, make, ("none", ""), [1, 2], "short", chunk_size=1)

    run_until_both_have_worked(client, run, sent)
    sent.clear()
    monkeypatch.setattr(worker, "BEGIN_SECONDS", -1.0)
    assert drive(run()).values == [10, 20]
    chunks = [arguments for _, function, arguments in sent if function is runner.run_chunk]
    late = [arguments for arguments in chunks if arguments[BEGIN_BY] is not None]
    assert len(late) == 2 and len(chunks) <= 4


@pytest.mark.parametrize("large", ["function", "chunk"])
def test_what_is_large_does_not_follow_at_once(
    client: Any, sent: list[tuple[int, Any, Any]], monkeypatch: pytest.MonkeyPatch, large: str
) -> None:
    """It crosses once, however long that takes."""
    drive(Run(client, make, ("none", ""), [1, 2], "short", chunk_size=1))
    sent.clear()
    monkeypatch.setattr(worker, "MOST_FOLLOWING_BYTES", 10_000)
    monkeypatch.setattr(worker, "BEGIN_SECONDS", 0.0)  # as if it took that long
    content = bytes(100_000)
    function, elements = (len, [content] * 2) if large == "chunk" else (content.find, [b"x"] * 2)
    run = Run(client, plain_function, (function, True), [(e,) for e in elements], "l", chunk_size=1)
    drive(run)
    assert run.values == [100_000 if large == "chunk" else -1] * 2
    chunks = [arguments for _, function, arguments in sent if function is runner.run_chunk]
    assert len(chunks) == 2 and all(arguments[BEGIN_BY] is None for arguments in chunks)


@pytest.mark.parametrize("way", ["exception", "SIGKILL"])
def test_a_function_that_cannot_be_set_up_is_no_elements_fault(cluster: Cluster, way: str) -> None:
    """Its element, on the way behind it, has not been begun."""

    def replace(engine: int) -> None:
        cluster.start_engines(1)

    client, pool = cluster.client, EnginePool(replace=replace)
    drive(Run(client, make, ("none", ""), [1, 2], "good"))
    run = Run(client, make, ("setup", way), [1, 2], "bad", pool=pool)
    with pytest.raises(SetupFailed, match="on purpose" if way == "exception" else "ended 2"):
        drive(run)
    assert not run.failures
    if way == "SIGKILL":  # its engines are gone
        cluster.start_engines(1)
    assert drive(Run(client, make, ("none", ""), [1, 2], "good")).values == [10, 20]


def count_messages() -> None:
    """Make the engine count what it sends, by kind."""
    import builtins
    from collections import Counter

    from IPython import get_ipython

    session = get_ipython().kernel.session
    counts = builtins.parallelflow_sent = Counter()  # type: ignore[attr-defined]
    original = session.send

    def send(stream: Any, message: Any, *rest: Any, **options: Any) -> Any:
        counts[message if isinstance(message, str) else message["msg_type"]] += 1
        return original(stream, message, *rest, **options)

    session.send = send


def counted() -> dict[str, int]:
    import builtins

    return dict(builtins.parallelflow_sent)  # type: ignore[attr-defined]


def talk() -> str:
    print("said")
    return "done"


@on_real
def test_an_engine_publishes_nothing_about_requests_of_runs(client: Any) -> None:
    """Those of others are published as ever, with all that they print."""
    engine = client.ids[0]
    send_request(client, engine, count_messages, []).get(60)
    before = send_request(client, engine, counted, []).get(60)
    after = send_request(client, engine, counted, []).get(60)
    assert after == {**before, "apply_reply": before["apply_reply"] + 1}
    answer = client[engine].apply_async(talk)
    assert answer.get(60) == "done"
    wait_until(lambda: answer.stdout == "said\n")
    published = send_request(client, engine, counted, []).get(60)
    assert published["status"] == before.get("status", 0) + 2


@on_real
def test_the_client_keeps_nothing_of_a_request(client: Any) -> None:
    def kept() -> list[int]:
        return [len(client._futures), len(client._output_futures), len(client.outstanding)]

    before = kept()
    for _ in range(20):
        send_request(client, client.ids[0], int, []).get(60)
    wait_until(lambda: kept() == before)


@on_real
def test_what_has_come_is_freed_at_once(client: Any) -> None:
    """Else large values stay until Python looks for garbage, in which a window stands."""
    answer = send_request(client, client.ids[0], dict, [])
    answer.add_done_callback(lambda answer: None)
    gone = weakref.ref(answer)
    [message] = answer.msg_ids
    wait_until(lambda: message not in client._futures)
    with no_collection():
        assert answer.get(timeout=0) == {}
        forget(client, answer)
        del answer
        assert gone() is None


@on_real
def test_a_reply_that_nobody_waits_for_any_more_is_dropped(
    client: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """ipyparallel's client would print it, and keep it."""
    view = client.direct_view(client.ids[0])
    answer = view.apply_async(time.sleep, 0.3)
    [message] = answer.msg_ids
    client.outstanding.remove(message)  # as after an answer of the hub in the engine's place
    assert view.apply_sync(int) == 0  # it has come before this one
    assert message not in client.results
    assert capfd.readouterr().out == ""
    forget(client, answer)
