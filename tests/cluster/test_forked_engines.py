"""Engines of one start on this machine: forked by one process that has loaded their libraries."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.launch.local_engines import ForkedEngine
from parallelflow.errors import StartCancelled
from tests.support.fork_server import ForkServer
from tests.support.waiting import wait_until
from tests.support.zombies import unreaped

from .sessions import running, session, wait_until_gone

pytestmark = [
    pytest.mark.own_cluster,
    pytest.mark.usefixtures("programs_load_their_libraries"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="engines are forked on Linux"),
]

FORKED = "parallelflow.engine_manager.launch.host_engines"
ALONE = "parallelflow.engine_manager.launch.engine_main"


def command_of(client: Any) -> list[list[str]]:
    """Return the command by which each engine is known."""
    return [psutil.Process(pid).cmdline() for pid in client[:].apply_sync(os.getpid)]


def in_the_engines_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    """Have the process that forks engines run code as it begins."""
    code = textwrap.indent(textwrap.dedent(code), "    ")
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nif {FORKED!r} in sys.orig_argv:\n{code}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_engines_of_one_start_are_forked_and_differ_where_they_must(manager: EngineManager) -> None:
    manager.start_engines(3)
    client = manager.connect()
    assert client is not None
    commands = command_of(client)
    assert len(commands) == 3 and all(FORKED in command for command in commands)
    view = client[:]
    pids = view.apply_sync(os.getpid)
    assert len(set(pids)) == 3
    assert view.apply_sync(os.getsid, 0) == pids  # no signal for one hits another
    assert len(set(view.apply_sync(eval, "__import__('random').random()"))) == 3
    logs = view.apply_sync(os.readlink, "/proc/self/fd/1")
    assert len(set(logs)) == 3 and all(Path(log).stat().st_mode & 0o077 == 0 for log in logs)
    assert set(view.apply_sync(eval, "__import__('sys').argv[0]")) == {
        str(Path(sys.modules[ForkedEngine.__module__].__file__ or "").with_name("engine_main.py"))
    }


def test_one_engine_has_nothing_to_share(manager: EngineManager) -> None:
    manager.start_engines(1)
    (command,) = command_of(manager.connect())
    assert ALONE in command and FORKED not in command


def test_engines_start_alone_where_they_cannot_be_forked(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    thread = (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    in_the_engines_python(monkeypatch, tmp_path, thread)
    manager.start_engines(2)
    commands = command_of(manager.connect())
    assert len(commands) == 2
    assert all(ALONE in command and FORKED not in command for command in commands)


def test_an_engine_that_is_killed_is_known_to_have_ended(manager: EngineManager) -> None:
    manager.start_engines(2)
    client = manager.connect()
    assert client is not None
    killed, other = client[:].apply_sync(os.getpid)
    os.kill(killed, 9)
    wait_until(lambda: manager.started() == [other] or killed not in manager.started())
    wait_until(lambda: len(client.ids) == 1)
    assert client[:].apply_sync(os.getpid) == [other]


def test_a_start_that_is_cancelled_while_libraries_are_loaded_leaves_nothing(
    manager: EngineManager, profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    wait = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)"
    in_the_engines_python(monkeypatch, tmp_path, wait)
    cancel = threading.Event()

    def cancel_when_it_has_begun() -> None:
        wait_until(begun.exists)
        cancel.set()

    waiter = threading.Thread(target=cancel_when_it_has_begun)
    waiter.start()
    with pytest.raises(StartCancelled):
        manager.start_engines(2, cancel=cancel)
    waiter.join()
    assert running(profile) == {}


def test_a_session_that_is_killed_while_libraries_are_loaded_leaves_nothing(
    sessions: ForkServer, profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    wait = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)"
    in_the_engines_python(monkeypatch, tmp_path, wait)
    with session(profile, "manager.start_engines(2)", sessions) as one:
        wait_until(begun.exists)
        one.kill()
    wait_until_gone(profile, 30.0)


def test_an_engines_end_is_seen_though_its_parent_does_not_look(tmp_path: Path) -> None:
    launcher = ForkedEngine(
        profile_dir=str(tmp_path), cluster_id="", identifier="0", engine_args=[]
    )
    launcher.engine_cmd = ["engine"]
    with unreaped("input()") as (pid, end):
        launcher.take(pid)
        try:
            assert launcher.poll() is None and launcher.state == "running"
            end()
            wait_until(lambda: launcher.poll() is not None)
            asyncio.run(launcher.join(60))  # psutil would wait for the zombie
            assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        finally:
            launcher._stop_waiting.set()
