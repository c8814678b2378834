"""`imap`: values one by one, in this process and on a cluster."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow import api
from parallelflow.engine_manager import get_manager
from parallelflow.errors import ElementError
from parallelflow.progress import Snapshot, listen
from tests.support.waiting import meet, wait_until


def test_it_is_like_map(where: str) -> None:
    assert list(api.imap(lambda x: x * 2, range(500))) == [x * 2 for x in range(500)]
    assert list(api.imap(pow, [2, 3, 4], (5, 2))) == [32, 9]
    assert sorted(api.imap(abs, range(-50, 0), ordered=False)) == list(range(1, 51))
    assert list(api.imap(abs, [])) == []
    assert list(api.imap(pow, range(5), itertools.repeat(2))) == [0, 1, 4, 9, 16]


def test_an_endless_iterable_is_read_as_values_are_taken(where: str) -> None:
    read = []

    def numbers() -> Iterator[int]:
        for n in itertools.count():
            read.append(n)
            yield n

    values = api.imap(lambda x: x + 1, numbers(), buffer_size=8)
    assert [next(values) for _ in range(40)] == list(range(1, 41))
    assert 40 <= len(read) <= 48
    values.close()  # type: ignore[attr-defined]
    count = len(read)
    assert next(api.imap(abs, [-1])) == 1
    assert len(read) == count


def test_values_come_before_all_have_finished(cluster: Any, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"

    def function(i: int) -> int:
        if i:
            wait_until(go_on.exists)
        return os.getpid()

    values = api.imap(function, range(8))
    first = next(values)
    go_on.touch()
    assert first != os.getpid() and len([*values]) == 7


def test_all_engines_take_part(cluster: Any, tmp_path: Path) -> None:
    assert len(set(api.imap(lambda _: meet(tmp_path), range(8)))) == 2


def test_unordered_values_do_not_wait_for_a_slow_one(cluster: Any, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"

    def function(i: int) -> int:
        if i == 0:
            wait_until(go_on.exists)
        return i

    values = api.imap(function, range(40), ordered=False)
    first = next(values)
    go_on.touch()
    assert sorted([first, *values]) == list(range(40)) and first != 0


def test_the_exception_comes_after_the_values_before_it(where: str) -> None:
    def function(i: int) -> float:
        return 10 / (7 - i)

    values = api.imap(function, range(100))
    assert [next(values) for _ in range(7)] == [10 / (7 - i) for i in range(7)]
    with pytest.raises(ZeroDivisionError) as error:
        next(values)
    assert isinstance(error.value.__cause__, ElementError)
    assert error.value.__cause__.failures[0].index == 7
    assert list(values) == []


def test_what_reading_raises_comes_after_the_values_before_it(where: str) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the file has ended too early")

    values = api.imap(abs, items())
    assert [next(values) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="ended too early"):
        next(values)


def test_one_that_is_dropped_leaves_no_work(cluster: Any) -> None:
    def slow(i: int) -> int:
        time.sleep(0.01)
        return i

    states: list[Snapshot] = []
    stop = listen(states.append)
    try:
        values = api.imap(slow, range(10_000))
        next(values)
        del values
        assert states[-1].state.is_finished
    finally:
        stop()


def test_an_engine_that_dies_costs_nothing(cluster: Any, tmp_path: Any) -> None:
    flag = tmp_path / "died"

    def function(i: int) -> int:
        if i == 30 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return i * 10

    assert list(api.imap(function, range(100))) == [i * 10 for i in range(100)]


def test_a_cluster_that_goes_away_costs_nothing() -> None:
    """It goes on with engines that are started for the block, not in this process."""

    def function(i: int) -> tuple[int, int]:
        time.sleep(0.02)
        return i, os.getpid()

    with api.cluster(engines=1):
        values = api.imap(function, range(100))
        assert next(values)[0] == 0
        controller = get_manager().info().controller
        assert controller is not None and controller.pid is not None
        os.kill(controller.pid, signal.SIGKILL)
        rest, pids = zip(*values, strict=True)
        assert rest == tuple(range(1, 100)) and os.getpid() not in pids


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((abs,), {}, TypeError, "at least one iterable"),
        ((3, [1]), {}, TypeError, "function"),
        ((abs, [1]), {"buffer_size": 0}, ValueError, "buffer_size"),
        ((abs, [1]), {"buffer_size": "many"}, TypeError, "buffer_size"),
    ],
)
def test_mistakes_are_told_at_once(
    arguments: Any, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        api.imap(*arguments, **options)
