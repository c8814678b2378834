"""Programs that elements start compute in themselves: nobody waits for who waits for him."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager import EngineManager
from parallelflow.work.run import Run
from tests.support.foreign_cluster import foreign_cluster
from tests.support.fork_server import ForkServer

ROOT = Path(__file__).resolve().parents[2]
PROFILE = "descendants"
# One engine: whoever waits for it from an element waits indefinitely.
LIMIT_SECONDS = 120.0

SCRIPT = f"""
from parallelflow import api
from parallelflow.engine_manager import get_manager
get_manager().configure(profile={PROFILE!r})
assert api.get_client(ask=True) is None and api.direct_view(ask=True) is None
print(api.parallel_map(lambda x: x + 1, range(3), ask=True, ipython=True))
"""
VALUE = "([1, 2, 3], False)"
DEEPER = f"""
import subprocess, sys
print(subprocess.run([sys.executable, "-c", {SCRIPT!r}], text=True, stdout=-1).stdout)
"""


@pytest.fixture(scope="module", params=["started here", "ipcluster's"])
def manager(request: pytest.FixtureRequest) -> Iterator[EngineManager]:
    manager = EngineManager(PROFILE)
    manager.configure(engines=1)
    if request.param == "started here":
        manager.ensure_engines()
        yield manager
        manager.stop()
        return
    with foreign_cluster(PROFILE, ""):
        manager.ensure_engines()
        yield manager
        manager.stop()


def program(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        cwd=ROOT,
        check=False,
    )
    return ran.stdout.strip() or ran.stderr


def in_thread(_: str) -> str:
    found: list[str] = []

    def work() -> None:
        from parallelflow import api

        found.append(str(api.parallel_map(lambda x: x + 1, range(3), ask=True, ipython=True)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(LIMIT_SECONDS)
    return found[0]


def in_fork(code: str) -> str:
    """Run code in a forked child, which tells what it prints."""
    queue: Any = multiprocessing.get_context("fork").SimpleQueue()

    def work() -> None:
        space: dict[str, Any] = {"print": lambda value: queue.put(str(value))}
        exec(code, space)

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(LIMIT_SECONDS)
    return "nothing" if queue.empty() else str(queue.get())


@pytest.fixture(scope="module")
def vistrail(tmp_path_factory: pytest.TempPathFactory, sessions: ForkServer) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    made = sessions.run("tests.cli.make_cases", [str(folder)], os.environ, LIMIT_SECONDS)
    assert made.returncode == 0, made.stderr
    return folder / "cases.vt"


def workflow(command: list[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=ROOT)
    return ran.stdout.strip() or ran.stderr


def evaluate(manager: EngineManager, function: Any, element: Any) -> Any:
    client = manager.connect()
    assert client is not None and len(client.ids) == 1
    run = Run(client, plain_function, (function,), [element], "test", pool=manager.engine_pool())
    while not run.is_finished:
        run.poll(0.05)
    assert not run.failures, str(run.failures[0])
    return run.values[0]


def test_an_engine_knows_itself_before_any_run(manager: EngineManager) -> None:
    from parallelflow.engine import place

    client = manager.connect()
    assert client is not None
    for function in ("is_engine", "on_engine"):
        code = f"getattr(__import__('parallelflow.engine.place', fromlist=['_']), {function!r})()"
        assert client[0].apply_sync(eval, code) is True
    assert not place.on_engine()


@pytest.mark.parametrize(
    ("function", "code"),
    [(program, SCRIPT), (program, DEEPER), (in_thread, ""), (in_fork, SCRIPT)],
    ids=["child", "grandchild", "thread", "fork"],
)
def test_parallel_map_computes_there(manager: EngineManager, function: Any, code: str) -> None:
    assert evaluate(manager, function, code) == VALUE


@pytest.mark.parametrize("version", ["parallel_map", "serial_map"])
def test_a_workflow_computes_there(manager: EngineManager, vistrail: Path, version: str) -> None:
    name = f"{vistrail}:{version}"
    command = [sys.executable, "-m", "parallelflow", "run", "--profile", PROFILE, name]
    told = evaluate(manager, workflow, [*command, "--parallel-maps"])
    assert told == "[2, 4, 6]"
