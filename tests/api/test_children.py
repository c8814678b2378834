"""Children of elements: as those of any process, here, on engines of ours and of ipcluster."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipyparallel
import pytest

from parallelflow import api
from parallelflow.work.mapping import map_on_cluster
from tests.support import elements

SECONDS = 120
# What these start in this process would outlive the tests.
ON_ENGINES = ["ours", "plain"]


@pytest.fixture(scope="module")
def plain() -> Iterator[Any]:
    """Start an engine that is not ours, as ipcluster does; yield a client."""
    with ipyparallel.Cluster(n=1, profile="plain", log_level=50) as client:
        yield client


@pytest.fixture(params=["here", "ours", "plain"])
def mapped(request: pytest.FixtureRequest, monkeypatch: Any) -> Any:
    """Return a function like `map`, for each of the processes that elements run in."""
    if request.param == "plain":
        client = request.getfixturevalue("plain")

        def on_plain(function: Any, values: list[Any]) -> list[Any]:
            return map_on_cluster(client, function, [(v,) for v in values], timeout=SECONDS)

        return on_plain
    if request.param == "ours":
        request.getfixturevalue("cluster")
    else:
        for name in ("get_client", "client_for_run"):
            monkeypatch.setattr(api, name, lambda ask=True: None)
    return functools.partial(api.parallel_map, timeout=SECONDS)


@pytest.fixture
def handlers_of_python() -> Iterator[None]:
    """Give this process the handlers that Python begins with, however the tests were started."""
    ends = {signal.SIGINT: signal.default_int_handler}
    before = {
        number: signal.signal(number, ends.get(number, signal.SIG_DFL))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("use", [elements.use_pool, elements.use_executor])
def test_workers_that_are_forked_work(mapped: Any, use: Any) -> None:
    assert mapped(functools.partial(use, "fork"), [2, 3]) == [[2, 1], [3, 1]]


@pytest.mark.parametrize("mapped", ON_ENGINES, indirect=True)
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("use", [elements.use_pool, elements.use_executor])
def test_workers_that_are_started_work(mapped: Any, method: str, use: Any) -> None:
    assert mapped(functools.partial(use, method), [2, 3]) == [[2, 1], [3, 1]]


def test_a_pool_in_a_child_works(mapped: Any) -> None:
    assert mapped(elements.use_nested, [2]) == [[2, 1]]


@pytest.mark.parametrize("mapped", ON_ENGINES, indirect=True)
def test_joblib_works(mapped: Any) -> None:
    pytest.importorskip("joblib")
    assert mapped(elements.use_loky, [2]) == [[2, 1]]


@pytest.mark.usefixtures("handlers_of_python")
def test_a_child_ends_by_the_signal_that_it_gets(mapped: Any) -> None:
    ends = mapped(elements.be_signalled, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    # SIGINT is KeyboardInterrupt in any Python, which the child has caught.
    assert ends == [-signal.SIGTERM, 78, -signal.SIGHUP]
    assert mapped(abs, [-1, -2]) == [1, 2]


def test_a_handler_of_the_element_is_inherited(mapped: Any) -> None:
    assert mapped(elements.keep_own_handler, [0]) == [5]


@pytest.mark.usefixtures("handlers_of_python")
def test_children_have_the_handlers_that_python_begins_with(mapped: Any) -> None:
    found = mapped(elements.signals_of_child, [0])[0]
    assert "default_int_handler" in found[0] and "SIG_DFL" in found[1] and found[2] == "-1"


@pytest.mark.parametrize("kind", ["ours", "plain"])
def test_a_child_that_comes_back_from_its_element_ends(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """In this process it would go on with the test."""
    if kind == "ours":
        client = request.getfixturevalue("cluster").ensure_engines()
    else:
        client = request.getfixturevalue("plain")
    ways = [("exit",), ("text",), ("error",), ("interrupt",), ("return",)]
    ends = map_on_cluster(client, elements.come_back, ways, timeout=SECONDS)
    assert ends == [3, 1, 1, -signal.SIGINT, 0]
    assert map_on_cluster(client, abs, [(-1,)] * 4, timeout=SECONDS) == [1] * 4


SCRIPT = """
import multiprocessing, sys, os
from parallelflow.api import parallel_map
from parallelflow.engine_manager import get_manager

class Odd(Exception):
    pass

def inner(x):
    return x * 10

def outer(method, x):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map(inner, [x, x + 1])

if __name__ == "__main__":
    manager = get_manager()
    manager.configure(engines=1, private=True)
    for method in ("fork", "spawn", "forkserver"):
        print(parallel_map(outer, [method] * 2, [1, 2], ask=True, ipython=True, timeout=100))
"""


def test_a_pool_runs_functions_of_the_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.splitlines() == ["([[10, 20], [20, 30]], True)"] * 3, done.stderr
