"""kill -9 of a session at any moment of start, run and cleanup leaves nothing running."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import ipyparallel
import psutil
import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.system import profiles
from parallelflow.engine_manager.system.lock import profile_lock
from parallelflow.engine_manager.system.module_command import module_command
from parallelflow.engine_manager.system.records import SessionRecord, fingerprint
from tests.support.fork_server import ForkServer

from .sessions import session, wait_until, wait_until_gone

pytestmark = pytest.mark.own_cluster
SLOW = pytest.mark.slow

GONE_SECONDS = 30.0

# A session from its first moment to its last, telling when each part of it begins.
LIFE = """
from parallelflow.work.run import Run
tell("start")
manager.start_engines(2)
tell("run")
client = manager.connect()
run = Run(client, eval, ("lambda index, element: (__import__('time').sleep(0.02), None)",),
          list(range(60)), "run", pool=manager.engine_pool())
while not run.is_finished:
    run.poll(0.05)
tell("cleanup")
manager.stop()
tell("end")
"""
# How long each part takes about, seconds; a moment after its end falls into the next one.
PARTS = {"start": 3.0, "run": 1.2, "cleanup": 0.8}


def moments(count: int, seed: int) -> list[tuple[str, float]]:
    """Return random moments of the parts in turn."""
    chance = random.Random(seed)
    parts = itertools.islice(itertools.cycle(PARTS), count)
    return [(part, chance.uniform(0, PARTS[part])) for part in parts]


def kill_at(sessions: ForkServer, profile: str, part: str, seconds: float) -> None:
    with session(profile, LIFE, sessions) as one:
        one.wait_for(part)
        time.sleep(seconds)
        one.kill()
    wait_until_gone(profile, GONE_SECONDS)


@pytest.mark.parametrize(("part", "seconds"), moments(4, seed=3))
def test_nothing_outlives_a_killed_session(
    sessions: ForkServer, profile: str, part: str, seconds: float
) -> None:
    kill_at(sessions, profile, part, seconds)
    folder = profiles.profile_folder(profile)
    assert list(folder.glob("pid/*.json")) == []
    left = list(folder.glob("security/*.json"))
    # A controller's files stay if the session is killed after they were written and before it has
    # noted whose they are: they could be another one's. They are taken for what they are, stale.
    assert left == [] or (part == "start" and EngineManager(profile).connect() is None)


@SLOW
@pytest.mark.parametrize("seed", range(10, 14))
def test_nothing_outlives_many_killed_sessions_and_the_next_starts_clean(
    sessions: ForkServer, manager: EngineManager, profile: str, seed: int
) -> None:
    for part, seconds in moments(8, seed):
        kill_at(sessions, profile, part, seconds)
    manager.start_engines(2)
    assert len(manager.info().engines) == 2


@pytest.mark.parametrize(
    "seconds", [0.3, pytest.param(0.0, marks=SLOW), pytest.param(1.0, marks=SLOW)]
)
def test_the_next_session_need_not_wait_for_the_guard(
    sessions: ForkServer, manager: EngineManager, profile: str, seconds: float
) -> None:
    with session(profile, LIFE, sessions) as one:
        one.wait_for("run")
        time.sleep(seconds)
        one.kill()
    manager.start_engines(1)
    info = manager.info()
    assert [e.origin.value for e in info.engines if e.origin] == ["started here"]
    manager.stop()
    wait_until_gone(profile, GONE_SECONDS)


# A session that is killed right after its record has gone.
KILLED_WITHOUT_RECORD = """
import pathlib, signal
unlink = pathlib.Path.unlink
def killed(path, *args, **options):
    unlink(path, *args, **options)
    if path.parent.name == "pid" and path.suffix == ".json":
        os.kill(os.getpid(), signal.SIGKILL)
manager.start_engines(1)
pathlib.Path.unlink = killed
manager.stop()
"""

# One that is killed when its controller, whose files are not there yet, has been started.
KILLED_WITH_NEW_CONTROLLER = """
import psutil, signal
from parallelflow.engine_manager.launch.cluster_launcher import ClusterLauncher
start = ClusterLauncher.start_controller
def killed(launch, *args):
    psutil.Process(start(launch, *args).pid).suspend()
    for path in launch.files:
        if path.name.startswith("ipcontroller"):
            path.unlink(missing_ok=True)
    tell(os.path.exists(launch.cluster.cluster_file))
    os.kill(os.getpid(), signal.SIGKILL)
ClusterLauncher.start_controller = killed
manager.start_engines(1)
"""


def files_of(profile: str) -> list[Path]:
    folder = profiles.profile_folder(profile)
    return [*folder.glob("pid/*.json"), *folder.glob("security/*.json")]


@pytest.mark.parametrize("code", [KILLED_WITHOUT_RECORD, KILLED_WITH_NEW_CONTROLLER])
def test_no_file_is_left_that_no_record_names(
    sessions: ForkServer, profile: str, code: str
) -> None:
    with session(profile, code, sessions) as one:
        if code == KILLED_WITH_NEW_CONTROLLER:
            one.wait_for("True")
        assert one.end() == -signal.SIGKILL
    wait_until_gone(profile, GONE_SECONDS)
    assert files_of(profile) == []


def test_ipyparallel_does_not_write_its_file_after_the_record_has_gone(
    manager: EngineManager, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees that the controller has ended when all that was left of the cluster was stopped."""
    folder = profiles.profile_folder(profile)
    stopped, write = ipyparallel.Cluster._controller_stopped, ipyparallel.Cluster.write_cluster_file
    seen, written = [], []

    def late(cluster: ipyparallel.Cluster, data: object = None) -> None:
        wait_until(lambda: not list(folder.glob("pid/*.json")))
        stopped(cluster, data)
        seen.append(cluster)

    monkeypatch.setattr(ipyparallel.Cluster, "_controller_stopped", late)
    monkeypatch.setattr(
        ipyparallel.Cluster, "write_cluster_file", lambda cluster: written.append(write(cluster))
    )
    manager.start_engines(1)
    assert written
    written.clear()
    [pid] = [one.pid for one in manager.inventory().processes if one.kind == "controller"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: seen)
    assert written == [] and files_of(profile) == []


def test_a_guard_waits_for_the_lock_of_a_profile(profile: str) -> None:
    """The session that was killed may have held it, or another one is starting engines."""
    folder = profiles.ensure_folder(profile)
    record = SessionRecord.of_this_session(folder)
    client = folder / "security" / "ipcontroller-client.json"
    client.write_text("{}")
    record.files, record.connection = [f"security/{client.name}"], fingerprint(client)
    record.announce()
    lock = str(folder / "pid" / "parallelflow.lock")
    command = module_command("parallelflow.engine_manager.system.guard")
    command += [str(record.path), str(os.getpid()), record.session.start_stamp, record.token]
    with profile_lock(folder):
        guard = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        process = psutil.Process(guard.pid)
        wait_until(lambda: guard.poll() is not None or lock in opened(process))
    assert guard.wait() == 0
    assert files_of(profile) == []


def opened(process: psutil.Process) -> list[str]:
    try:
        return [file.path for file in process.open_files()]
    except psutil.Error:
        return []
