"""`Executor` and `cluster`: calls as `concurrent.futures` has them, and engines for a block."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from parallelflow import api
from parallelflow.engine_manager import get_manager
from parallelflow.errors import FunctionNotSendable
from tests.support.waiting import meet, wait_until

SECONDS = 60


def divide(a: float, b: float = 2.0) -> float:
    return a / b


def test_calls_have_their_values_and_exceptions(where: str) -> None:
    with api.Executor() as executor:
        assert isinstance(executor, concurrent.futures.Executor)
        plain = executor.submit(divide, 10)
        named = executor.submit(divide, a=9, b=3)
        failing = executor.submit(divide, 1, b=0)
        lambdas = [executor.submit(lambda x, n=n: x**n, 3) for n in range(5)]
        assert plain.result(SECONDS) == 5 and named.result(SECONDS) == 3
        with pytest.raises(ZeroDivisionError):
            failing.result(SECONDS)
        assert [f.result(SECONDS) for f in lambdas] == [1, 3, 9, 27, 81]
        assert list(executor.map(pow, range(300), [2] * 300)) == [n * n for n in range(300)]
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(divide, 1)


def test_an_error_shows_the_arguments_as_the_call_has_them(cluster: Any) -> None:
    with api.Executor() as executor:
        calls = [executor.submit(divide, 1, 0), executor.submit(divide, 1, b=0)]
        causes: list[Any] = [f.exception(SECONDS).__cause__ for f in calls]  # type: ignore[union-attr]
    assert [cause.failures[0].input for cause in causes] == ["(1, 0)", "(1, b=0)"]


def test_calls_run_on_the_engines_side_by_side(cluster: Any, tmp_path: Path) -> None:
    with api.Executor() as executor:
        pids = set(executor.map(lambda _: meet(tmp_path), range(6)))
    assert len(pids) == 2 and os.getpid() not in pids


def test_as_completed_and_asyncio(cluster: Any) -> None:
    def wait(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    async def main(executor: Any) -> list[float]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(
            *(loop.run_in_executor(executor, wait, s) for s in (0.2, 0.0, 0.1))
        )

    with api.Executor() as executor:
        futures = [executor.submit(wait, s) for s in (2.0, 0.0)]
        first = next(concurrent.futures.as_completed(futures, timeout=SECONDS))
        assert first.result() == 0.0
        assert asyncio.run(main(executor)) == [0.2, 0.0, 0.1]


def test_what_waits_can_be_cancelled(where: str) -> None:
    with api.Executor() as executor:
        executor.submit(time.sleep, 0.5)
        futures = [executor.submit(time.sleep, 0.05) for _ in range(500)]
        assert futures[-1].cancel()
        executor.shutdown(wait=True, cancel_futures=True)
        assert all(f.done() for f in futures)
        assert sum(f.cancelled() for f in futures) > 300


def test_a_function_that_cannot_be_sent_fails_its_calls_only(cluster: Any) -> None:
    lock = threading.Lock()
    with api.Executor() as executor:
        bad = [executor.submit(lambda: lock.locked()) for _ in range(3)]
        good = executor.submit(divide, 4)
        unsendable = executor.submit(divide, lock)
        assert good.result(SECONDS) == 2
        for future in bad:
            with pytest.raises(FunctionNotSendable):
                future.result(SECONDS)
        with pytest.raises(Exception, match="pickle"):
            unsendable.result(SECONDS)
        assert executor.submit(divide, 6).result(SECONDS) == 3


def test_an_engine_that_dies_costs_no_call(cluster: Any, tmp_path: Any) -> None:
    flag = tmp_path / "died"

    def function(i: int) -> int:
        if i == 7 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), 9)
        return i

    with api.Executor() as executor:
        assert list(executor.map(function, range(20))) == list(range(20))


def test_one_that_is_dropped_finishes_its_calls_and_its_thread(where: str) -> None:
    executor = api.Executor()
    future = executor.submit(divide, 8)
    del executor
    gc.collect()
    assert future.result(SECONDS) == 4
    wait_until(
        lambda: not any(t.name == "parallelflow-executor" for t in threading.enumerate()), SECONDS
    )


def test_a_script_that_ends_finishes_its_calls() -> None:
    """As with the executors of the standard library; and no engine is left."""
    code = """
        from parallelflow import api
        with api.cluster(engines=1):
            executor = api.Executor()
            future = executor.submit(pow, 3, 4)
            future.add_done_callback(lambda f: print(f.result(), flush=True))
            executor.shutdown(wait=True)
        second = api.Executor()
        second.submit(pow, 5, 2).add_done_callback(lambda f: print(f.result(), flush=True))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=4 * SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["81", "25"]), done.stderr


def test_engines_for_a_block() -> None:
    manager = get_manager()
    manager.stop()
    before = manager.profile, manager.engines_wanted, manager.launcher
    with api.cluster(engines=1, profile="block") as client:
        assert client is not None and len(client.ids) == 1 and manager.profile == "block"
        outer = client.ids
        with api.cluster(engines=2) as inner:
            assert inner is not None and len(inner.ids) == 2
        # What was there before stays, and what it had is kept for it.
        assert manager.alive() and set(outer) <= set(client.ids)
        with pytest.raises(ValueError, match="profile 'block'"), api.cluster(profile="another"):
            pass
        assert api.parallel_map(abs, [-3], ipython=True) == ([3], True)
    assert manager.started() == []
    assert (manager.profile, manager.engines_wanted, manager.launcher) == before
    with pytest.raises(ValueError, match="at least 1 engine"), api.cluster(engines=0):
        pass
