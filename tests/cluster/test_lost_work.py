"""Clusters that end, engines that hang, and scripts that are none the wiser."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager import EngineManager
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from tests.support.elements import HANG_IN_C
from tests.support.fork_server import ForkServer

from .sessions import session, wait_until, wait_until_gone

pytestmark = pytest.mark.own_cluster

SLOW = pytest.mark.slow

LIMIT_SECONDS = 120.0
LOSE_SECONDS = 60.0

OTHER = """
manager.start_engines(1)
tell("started")
sys.stdin.readline()
"""

SCRIPT = """
import logging, os, sys, time
from parallelflow import api
from parallelflow.engine_manager import get_manager
manager = get_manager()
manager.configure(profile=sys.argv[1], engines=2)
"""

LONG = """
def work(i):
    time.sleep(0.02)
    return os.getpid(), i * 10
def look(snapshot):
    if snapshot.done > 20 and not told:
        told.append(True)
        print("under way", flush=True)
told = []
values = api.parallel_map(work, range(400), ask=sys.argv[2] == "True", progress=look)
assert [value for _, value in values] == [i * 10 for i in range(400)]
print("here" if values[-1][0] == os.getpid() else "on engines", len(manager.started()) > 0)
"""


def script(profile: str, code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + code, profile, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a script's end; return what it has written."""
    try:
        out, err = process.communicate(timeout=LIMIT_SECONDS)
    finally:
        process.kill()
    return told(process.returncode, out, err)


def forked(sessions: ForkServer, profile: str, code: str, *arguments: str) -> tuple[str, str]:
    """Run a script as a fork; return what it has written, as `finish` does."""
    words = [profile, *arguments]
    ended = sessions.run_code(SCRIPT + code, words, os.environ, LIMIT_SECONDS)
    return told(ended.returncode, ended.stdout, ended.stderr)


def told(code: int, out: str, err: str) -> tuple[str, str]:
    """Return what a script that has ended well has written, of which no line is a traceback's."""
    assert code == 0, err
    assert "Traceback" not in err and "Exception" not in err, err
    return out, err


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize(
    "end",
    ["stop", pytest.param("kill", marks=SLOW), pytest.param("engines", marks=SLOW)],
)
def test_work_goes_on_when_the_engines_session_ends(
    sessions: ForkServer,
    profile: str,
    end: str,
    ask: bool,
    new_manager: Callable[..., EngineManager],
    tmp_path: Path,
) -> None:
    base = new_manager()
    signal_file = tmp_path / "end"
    code = OTHER.replace("sys.stdin.readline()", "time.sleep(1e6)")
    if end == "engines":
        # The controller is somebody else's, and goes on.
        base.start_engines(1)
        base.leave_running()
        for engine in base.info().engines:
            base.stop_engine(engine.id)
        # A single one would be replaced, and the work not move.
        code = code.replace("start_engines(1)", "start_engines(2)")
    if end != "kill":
        code = code.replace("time.sleep(1e6)", "go = time.time() + 600\nwhile not os.path.exists("
                            f"{str(signal_file)!r}) and time.time() < go: time.sleep(0.05)\n"
                            "manager.stop()")  # fmt: skip
    with session(profile, code, sessions) as other:
        other.wait_for("started")
        process = script(profile, LONG, ask)
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"
        if end == "kill":
            other.kill()
        else:
            signal_file.touch()
        out, err = finish(process)
    assert out.split() == (["on", "engines", "True"] if ask else ["here", "False"])
    lines = [line for line in err.splitlines() if "The work goes on" in line]
    assert len(lines) == 1 and "of 400 elements unfinished" in lines[0]
    assert ("in this process" in lines[0]) == (not ask)
    if end != "engines":  # not which of the controller's processes ended first
        assert (
            f"unfinished: the session that had started it (process {other.process.pid}) has "
            in lines[0]
        )
    base.cleanup()
    wait_until_gone(profile, LOSE_SECONDS)


ENDED_ON_PURPOSE = """
import threading
from parallelflow.errors import ClusterLost
manager.configure(engines=1)
def look(snapshot):
    if snapshot.done > 5 and not ends:
        ends.append(threading.Thread(target=getattr(manager, sys.argv[2])))
        ends[0].start()
ends, outcome = [], []
try:
    api.parallel_map(lambda i: time.sleep(0.02), range(10_000), ask=True, progress=look)
except ClusterLost:
    outcome.append("lost")
ends[0].join()
# In one piece: ipyparallel's thread prints, too.
sys.stdout.write(f"\\n{' '.join(outcome)} {len(manager.started())} started\\n")
"""

STUCK = """
from tests.support.elements import hang_in_c
def stuck(n):
    hang_in_c()
for attempt in range(2):
    try:
        api.parallel_map(stuck, [1] * 2, ask=True, timeout=1, chunk_size=1)
    except TimeoutError:
        print("late", flush=True)
    if sys.argv[2] == "end":
        break
    # Without asking: the engines are this session's, or were there before.
    values, used = api.parallel_map(lambda i: i * 10, range(50), ipython=True)
    assert values == [i * 10 for i in range(50)] and used, (values, used)
if sys.argv[2] == "go on":
    client, pool = manager.connect(), manager.engine_pool()
    until = time.monotonic() + 60
    # One that hangs counts until it is replaced, and there is none until its successor is there.
    while (pool.expected() or len(client.ids) != 2) and time.monotonic() < until:
        time.sleep(0.1)
    print(len(client.ids), "engines", flush=True)
"""


@pytest.mark.long_wait
def test_the_next_map_works_after_one_that_hung_in_c_code(profile: str) -> None:
    out, err = finish(script(profile, STUCK, "go on"))
    assert out.split() == ["late", "late", "2", "engines"]
    assert "ended" not in err and "was lost" not in err, err
    wait_until_gone(profile, LOSE_SECONDS)


@pytest.mark.parametrize("how", ["stop", "cleanup", "shutdown_cluster"])
def test_work_does_not_go_on_when_its_own_session_ends_the_cluster(
    sessions: ForkServer, how: str, profile: str
) -> None:
    """The user wants it to end: no engine is started again, whatever was allowed before."""
    out, err = forked(sessions, profile, ENDED_ON_PURPOSE, how)
    # ipyparallel prints the answers that a hub which shuts down sends late.
    assert "lost 0 started" in out.splitlines(), (out, err)
    wait_until_gone(profile, LOSE_SECONDS)


@pytest.mark.long_wait
def test_engines_left_running_that_hang_in_c_code_are_replaced(
    sessions: ForkServer, manager: EngineManager
) -> None:
    """They would serve nobody any more, neither this session nor another one."""
    profile = manager.profile
    manager.start_engines(2)
    manager.leave_running()
    out, err = forked(sessions, profile, STUCK, "go on")
    assert out.split() == ["late", "late", "2", "engines"]
    assert "ended" not in err and "was lost" not in err, err
    # The engines that were started in their place have ended with the session.
    manager.cleanup()
    wait_until_gone(profile, LOSE_SECONDS)


@pytest.mark.parametrize("count", [0, pytest.param(1, marks=SLOW)])
def test_a_script_that_ends_at_once_leaves_and_tells_nothing(profile: str, count: int) -> None:
    out, err = finish(script(profile, STUCK, "end"))
    line = f"Parallel Flow: no engine runs in the profile '{profile}': starting 2 engines\n"
    assert (out.split(), err) == (["late"], line)
    wait_until_gone(profile, LOSE_SECONDS)


BESIDE = """
from parallelflow.work import silent_engines
silent_engines.SILENT_SECONDS = 2.0
manager.configure(profile=sys.argv[1], engines=1)
values, used = api.parallel_map(lambda i: i * 10, range(50), ask=True, ipython=True)
assert values == [i * 10 for i in range(50)] and used, (values, used)
print("done", len(manager.started()) > 0)
"""


def test_engines_of_others_that_hang_are_told_and_others_started_beside_them(
    sessions: ForkServer, manager: EngineManager
) -> None:
    manager.start_engines(1)
    client = manager.connect()
    assert client is not None
    answer = client[:].apply_async(exec, HANG_IN_C)
    out, err = forked(sessions, manager.profile, BESIDE)
    assert out.split() == ["done", "True"]
    assert "engine 0 has not answered for 2 s" in err and "being started beside it" in err
    assert not answer.done()


def test_a_replacement_that_is_killed_while_it_starts_is_tried_again(
    manager: EngineManager,
) -> None:
    manager.start_engines(1)
    client = manager.connect()
    assert client is not None
    before = set(manager.started())
    os.kill(client[0].apply_sync(os.getpid), signal.SIGKILL)
    wait_until(lambda: client.ids == [], 30)
    assert manager.replace_in_background(0) is True
    wait_until(lambda: set(manager.started()) - before, 30)
    (new,) = set(manager.started()) - before
    assert client.ids == []
    os.kill(new, signal.SIGKILL)
    wait_until(lambda: len(client.ids) == 1, LOSE_SECONDS)
    wait_until(lambda: not manager.engine_pool().expected(), LOSE_SECONDS)
    assert len(client.ids) == 1


@pytest.mark.long_wait
def test_a_frozen_engine_that_was_replaced_is_ended(manager: EngineManager, profile: str) -> None:
    folder = Path(os.environ["IPYTHONDIR"]) / f"profile_{profile}"
    folder.mkdir(parents=True)
    # The controller gives it up after 3 s instead of 30 s.
    (folder / "ipcontroller_config.py").write_text(
        "c = get_config()\nc.HeartMonitor.max_heartmonitor_misses = 10\n"
    )
    manager.start_engines(2)
    client = manager.connect()
    assert client is not None
    pids = client[:].apply_sync(os.getpid)
    process = psutil.Process(pids[0])
    pool = manager.engine_pool()
    process.suspend()
    wait_until(lambda: client.ids == [1], LOSE_SECONDS)
    assert not pool.crashed(0)
    assert manager.replace_in_background(0) is True
    wait_until(lambda: len(client.ids) == 2 and not pool.expected(), LOSE_SECONDS)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.long_wait
def test_engines_that_are_stopped_are_nobodys_fault(manager: EngineManager, tmp_path: Path) -> None:
    """Three times the engine that an element runs on is stopped, and it is not blamed."""
    manager.start_engines(4)
    client = manager.connect()
    assert client is not None

    go = tmp_path / "go"

    def function(i: int) -> int:
        until = time.monotonic() + LIMIT_SECONDS
        while not go.exists() and time.monotonic() < until:
            time.sleep(0.02)
        return i

    run = Run(client, plain_function, (function,), [7], "test", pool=manager.engine_pool())
    began = time.monotonic()
    stopped = 0
    while not run.is_finished:
        run.poll(0.05)
        assert time.monotonic() - began < LIMIT_SECONDS
        at_work = [w.id for w in run.workers if w.jobs and w.id in client.ids]
        if stopped < 3 and at_work:
            stopped += 1
            manager.stop_engine(at_work[0])
        elif at_work:
            go.touch()
    assert run.values == [7] and not run.failures and stopped == 3


@SLOW
@pytest.mark.timeout(900)
def test_random_kills_blame_no_good_element(manager: EngineManager) -> None:
    manager.configure(engines=3)
    client = manager.ensure_engines()
    assert client is not None

    def function(i: int) -> int:
        time.sleep(0.1)
        return i

    chance = random.Random(4)
    killed = 0
    while killed < 12:
        run = Run(
            client,
            plain_function,
            (function,),
            range(150),
            "test",
            policy=ElementPolicy(stop_on_error=False),
            pool=manager.engine_pool(),
        )
        next_kill = time.monotonic() + 1.0
        while not run.is_finished:
            run.poll(0.02)
            if time.monotonic() > next_kill and killed < 12:
                next_kill = time.monotonic() + chance.uniform(0.5, 2.0)
                at_work = {w.info["pid"] for w in run.workers if w.jobs and w.info}
                if at_work:
                    killed += 1
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(chance.choice(sorted(at_work)), signal.SIGKILL)
        assert run.values == list(range(150)) and not run.failures
