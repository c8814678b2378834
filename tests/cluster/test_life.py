"""Life and death: who ends what, when sessions end well, badly, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from parallelflow.engine_manager import EngineManager, State
from parallelflow.engine_manager.connection import cluster_connection as link
from parallelflow.engine_manager.model import Origin, Stage
from parallelflow.engine_manager.system import processes, profiles, records
from parallelflow.errors import ClusterError, EngineUnreachable, ProfileError
from tests.support.fork_server import ForkServer
from tests.support.waiting import BUSY_SECONDS

from .sessions import running, session, wait_until, wait_until_gone

pytestmark = pytest.mark.own_cluster
SLOW = pytest.mark.slow

# The guard needs two or three.
GONE_SECONDS = 30.0

START = "manager.start_engines(1)\ntell('started', *manager.started())\n"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param("", 0, id="exit"),
        pytest.param("os.kill(os.getpid(), 15)", -15, id="SIGTERM"),
        pytest.param("os.abort()", -6, id="crash"),
        pytest.param("os._exit(5)", 5, id="os._exit", marks=SLOW),
        pytest.param("raise RuntimeError('of the user')", 1, id="exception", marks=SLOW),
        pytest.param("sys.exit(7)", 7, id="sys.exit", marks=SLOW),
    ],
)
def test_what_a_session_started_ends_with_it(
    sessions: ForkServer, profile: str, end: str, code: int
) -> None:
    # How it ends by itself is Python's own.
    server = sessions if code < 0 else None
    with session(profile, START + "sys.stderr.close(); " + end, server) as one:
        assert len(one.wait_for("started")) == 2
        assert one.end() == code
    wait_until_gone(profile, GONE_SECONDS)
    assert list(profiles.profile_folder(profile).glob("pid/*.json")) == []
    assert list(profiles.profile_folder(profile).glob("security/*")) == []


def test_engines_in_the_middle_of_a_task_end_as_well(sessions: ForkServer, profile: str) -> None:
    code = START + (
        "view = manager.connect()[:]\n"
        "view.apply_async(eval, \"__import__('subprocess').run(['sleep', '600'])\")\n"
        "time.sleep(0.5); tell('running'); time.sleep(600)"
    )
    with session(profile, code, sessions) as one:
        pids = [int(pid) for pid in one.wait_for("started")]
        one.wait_for("running")
        children = [c for pid in pids for c in psutil.Process(pid).children(recursive=True)]
        assert any(c.name() == "sleep" for c in children)
        one.kill()
    wait_until_gone(profile, GONE_SECONDS)
    assert not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)


def test_left_running_it_survives_is_found_used_and_stopped_by_the_next(
    manager: EngineManager, profile: str
) -> None:
    with session(profile, START + "manager.leave_running(); tell('left')") as one:
        pids = {int(pid) for pid in one.wait_for("started")}
        assert one.end() == 0
    inventory = manager.inventory()
    assert {p.pid for p in inventory.of(Origin.DETACHED)} == pids
    assert {p.pid for p in inventory.processes} == pids
    assert "1 controller and 1 engine on" in inventory.sentence(Origin.DETACHED)
    client = manager.ensure_engines()
    assert client is not None and client[0].apply_sync(pow, 2, 3) == 8
    assert manager.info().started(Origin.DETACHED) == 1
    # Its end is not theirs.
    manager.stop()
    assert {p.pid for p in manager.inventory().of(Origin.DETACHED)} == pids
    assert manager.cleanup() == []
    assert running(profile) == {} and manager.inventory().processes == ()


def test_left_running_a_kill_changes_nothing(
    sessions: ForkServer, manager: EngineManager, profile: str
) -> None:
    code = START + "manager.leave_running(); tell('left'); time.sleep(600)"
    with session(profile, code, sessions) as one:
        pids = {int(pid) for pid in one.wait_for("started")}
        one.wait_for("left")
        one.kill()
    time.sleep(3)
    assert {p.pid for p in manager.inventory().of(Origin.DETACHED)} == pids
    manager.cleanup()
    assert running(profile) == {}


def test_what_is_started_after_leaving_is_this_sessions_again(
    manager: EngineManager, profile: str
) -> None:
    manager.start_engines(1)
    manager.leave_running()
    manager.start_engines(1)
    info = manager.info()
    assert (info.started(Origin.DETACHED), info.started(Origin.THIS_SESSION)) == (1, 1)
    manager.stop()
    assert len(manager.inventory().of(Origin.DETACHED)) == 2
    assert manager.inventory().of(Origin.THIS_SESSION) == ()
    # The controller would miss the engine only by its heartbeats, after 30 s.
    client = manager.connect()
    assert client is not None
    wait_until(lambda: client.ids == [0], BUSY_SECONDS)


def test_a_living_session_is_not_touched_by_anothers_cleanup(
    sessions: ForkServer, manager: EngineManager, profile: str
) -> None:
    with session(profile, START + "time.sleep(600)", sessions) as one:
        pids = {int(pid) for pid in one.wait_for("started")}
        assert manager.connect() is not None
        assert {p.pid for p in manager.inventory().of(Origin.OTHER_SESSION)} == pids
        assert manager.cleanup() == []
        assert all(psutil.pid_exists(pid) for pid in pids)
        one.kill()
    wait_until_gone(profile, GONE_SECONDS)


def test_a_guard_that_is_killed_is_replaced(manager: EngineManager) -> None:
    manager.start_engines(1)
    assert manager.cluster.session is not None
    first = manager.cluster.session.guard.process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)

    def replaced() -> bool:
        assert manager.cluster.session is not None
        second = manager.cluster.session.guard.process
        return second is not None and second.pid != first.pid and second.alive()

    wait_until(replaced, BUSY_SECONDS)


def test_killed_with_its_guard_the_next_session_cleans_up(
    sessions: ForkServer, manager: EngineManager, profile: str
) -> None:
    code = START + "tell('guard', manager.cluster.session.guard.process.pid); time.sleep(600)"
    with session(profile, code, sessions) as one:
        one.wait_for("started")
        [guard] = one.wait_for("guard")
        one.process.send_signal(signal.SIGSTOP)  # so that it starts no other guard
        os.kill(int(guard), signal.SIGKILL)
        one.kill()
    time.sleep(0.5)
    assert running(profile) != {}
    # It is not used: it may end at any moment.
    assert manager.connect() is None
    assert running(profile) == {}
    manager.start_engines(1)
    assert manager.info().started(Origin.THIS_SESSION) == 1


@pytest.mark.parametrize("how", ["main process", pytest.param("whole tree", marks=SLOW)])
def test_a_controller_that_dies_is_noticed_and_its_rest_removed(
    manager: EngineManager, profile: str, how: str
) -> None:
    manager.start_engines(1)
    controller = manager.info().controller
    assert controller is not None and controller.pid is not None
    if how == "main process":
        os.kill(controller.pid, signal.SIGKILL)  # leaves eight orphans
    else:
        os.killpg(controller.pid, signal.SIGKILL)
    wait_until(lambda: not manager.alive(), BUSY_SECONDS)
    wait_until(lambda: manager.state is State.LOST, BUSY_SECONDS)
    wait_until(lambda: [c for c in running(profile).values() if "guard" not in c] == [])
    assert manager.shutdown_plan() is not None  # in bounded time
    manager.start_engines(1)
    assert manager.state is State.ENGINES and manager.alive()


@pytest.mark.long_wait
def test_a_controller_that_cannot_be_watched_is_asked(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one on another machine: its hub is given up when it has not answered for long."""
    monkeypatch.setattr(link, "ASK_EVERY_ROUNDS", 1)
    monkeypatch.setattr(link, "GIVE_UP_ROUNDS", 6)
    manager.start_engines(1)
    assert (
        manager.cluster.connection is not None and manager.cluster.connection.controller is not None
    )
    process = psutil.Process(manager.cluster.connection.controller.pid)
    manager.cluster.connection.controller = None
    time.sleep(5)
    assert manager.alive() and manager.state is State.ENGINES
    process.suspend()
    wait_until(lambda: manager.state is State.LOST, 30)
    assert not manager.alive()
    # It ends with the session even so.
    manager.stop()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_dead_engine_is_noticed_and_replaced(manager: EngineManager) -> None:
    manager.start_engines(2)
    [victim] = [e for e in manager.info().engines if e.id == 0]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    client = manager.connect()
    assert client is not None
    wait_until(lambda: client.ids == [1], BUSY_SECONDS)
    assert manager.replace_in_background(0) is True
    wait_until(lambda: len(client.ids) == 2, 60)
    assert manager.replace_in_background(0) is False  # once
    assert manager.replace_in_background(77) is False


def test_an_engine_that_hangs_is_replaced(manager: EngineManager, tmp_path: Path) -> None:
    manager.start_engines(1)
    client = manager.connect()
    assert client is not None
    begun = tmp_path / "begun"
    code = f"signal.signal(2, signal.SIG_IGN); open({str(begun)!r}, 'w'); time.sleep(600)"
    client[0].apply_async(exec, f"import signal, time; {code}")
    wait_until(begun.exists)
    assert manager.replace_in_background(0) is True
    wait_until(lambda: client.ids not in ([], [0]), 60)


def test_one_engine_is_stopped_another_interrupted(manager: EngineManager, tmp_path: Path) -> None:
    def sleep(begun: str) -> None:
        import pathlib
        import time

        pathlib.Path(begun).touch()
        time.sleep(600)

    manager.start_engines(2)
    client = manager.connect()
    assert client is not None
    begun = tmp_path / "begun"
    sleeping = client[1].apply_async(sleep, str(begun))
    wait_until(begun.exists)
    manager.stop_engine(0)
    assert client.ids == [1]
    manager.interrupt_engine(1)
    with pytest.raises(Exception, match="KeyboardInterrupt"):
        sleeping.get(timeout=60)
    assert client[1].apply_sync(pow, 2, 2) == 4
    for use in (manager.stop_engine, manager.interrupt_engine):
        with pytest.raises(ClusterError, match="There is no engine 0"):
            use(0)


def test_shutdown_ends_everything_of_everybody(
    new_manager: Callable[..., EngineManager], profile: str
) -> None:
    ours, theirs = new_manager(), new_manager()
    theirs.start_engines(1)
    ours.connect()
    ours.start_engines(1)
    client = ours.connect()
    assert client is not None
    client.direct_view(client.ids).apply_async(time.sleep, 600)
    wait_until(lambda: ours.info().engines[0].busy)
    plan = ours.shutdown_plan()
    assert plan is not None
    assert plan.total == 2 and plan.elsewhere
    assert plan.tasks is not None and plan.tasks >= 2  # their question to our engine may wait, too
    assert ours.shutdown_cluster() == []
    assert ours.state is State.NO_CLUSTER and ours.inventory().processes == ()
    theirs.stop()
    wait_until_gone(profile)
    assert ours.shutdown_plan() is None
    with pytest.raises(ClusterError, match="nothing to shut down"):
        ours.shutdown_cluster()


def test_engines_that_have_just_registered_are_shut_down_without_a_word(
    new_manager: Callable[..., EngineManager], profile: str, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs, ours = new_manager(), new_manager()
    theirs.start_engines(2, until=Stage.REGISTERED)
    assert ours.connect() is not None
    capfd.readouterr()
    assert ours.shutdown_cluster() == []
    theirs.stop()
    wait_until_gone(profile)
    written = capfd.readouterr()
    assert "Traceback" not in written.err + written.out


def test_a_process_that_got_the_pid_of_one_of_ours_is_left_alone(
    manager: EngineManager, profile: str
) -> None:
    folder = profiles.ensure_folder(profile)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as innocent:
        record = records.SessionRecord.of_this_session(folder)
        ours = processes.record_of(innocent.pid, "engine")
        assert ours is not None
        boot = ours.start_stamp.rpartition("/")[0]
        stale = processes.ProcessRecord(ours.pid, f"{boot}/1", "engine", ours.created)
        record.keep = True
        record.add([stale])
        # ipyparallel's own file names it as well, by its bare pid.
        state = {"pid": innocent.pid, "state": "running"}
        cluster_file = folder / "security" / "cluster-.json"
        cluster_file.write_text(json.dumps({"cluster": {}, "controller": {"state": state}}))
        assert manager.inventory().processes == ()
        assert manager.cleanup() == []
        assert manager.connect() is None
        assert innocent.poll() is None
        innocent.kill()


def test_a_clock_that_jumps_hides_no_process(manager: EngineManager, profile: str) -> None:
    """What psutil computes from the clock differs then; boot and ticks since boot do not."""
    manager.start_engines(1)
    manager.leave_running()
    [path] = profiles.profile_folder(profile).glob("pid/parallelflow-*.json")
    fields = json.loads(path.read_text())
    for one in fields["processes"]:
        one["created"] += 3600.0
    path.write_text(json.dumps(fields))
    assert len(manager.inventory().of(Origin.DETACHED)) == 2
    assert manager.cleanup() == [] and running(profile) == {}


def test_a_suspended_machine_loses_no_engine(shared: EngineManager) -> None:
    """All processes stand still for longer than several heartbeats, and go on."""
    client = shared.connect()
    assert client is not None
    engines = client.ids
    tree = [psutil.Process(pid) for pid in shared.started()]
    tree += [child for one in tree for child in one.children(recursive=True)]
    for one in tree:
        one.suspend()
    time.sleep(4)
    for one in tree:
        one.resume()
    assert client[:].apply_async(pow, 2, 3).get(timeout=30) == [8, 8]
    time.sleep(2)
    assert client.ids == engines and shared.alive() and shared.state is State.ENGINES


def test_records_of_another_machine_are_not_judged(manager: EngineManager, profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    me = processes.record_of(os.getpid(), "engine")
    assert me is not None
    record = records.SessionRecord.of_this_session(folder)
    record.host = "another-machine"
    record.session = processes.ProcessRecord(1, "other-boot/1", "session")
    record.add([me])
    assert manager.connect() is None and manager.cleanup() == []
    assert record.path.exists()


def test_a_full_disk_undoes_the_start_and_is_told(sessions: ForkServer, profile: str) -> None:
    code = (
        "import resource, signal\n"
        "from parallelflow.errors import ProfileError\n"
        "from parallelflow.engine_manager.system.records import SessionRecord\n"
        "write = SessionRecord.write\n"
        "def full(self):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))\n"
        "    try:\n"
        "        write(self)\n"
        "    finally:\n"
        "        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "SessionRecord.write = full\n"
        "try:\n"
        "    manager.start_engines(1)\n"
        "except ProfileError as e:\n"
        "    tell('told', str(e))\n"
    )
    with session(profile, code, sessions) as one:
        told = " ".join(one.wait_for("told"))
        assert "cannot be written" in told and "Free some space" in told
        assert one.end() == 0
    wait_until_gone(profile, GONE_SECONDS)


def test_leaving_on_a_full_disk_is_refused(
    shared: EngineManager,
) -> None:
    assert shared.cluster.session is not None
    # A folder where the file should be written fails as a full disk does.
    record = shared.cluster.session.record
    record.path.unlink()
    (record.path / "folder").mkdir(parents=True)
    try:
        with pytest.raises(ProfileError, match="cannot be left running"):
            shared.leave_running()
    finally:
        shutil.rmtree(record.path)
        record.write()
    assert len(shared.inventory().of(Origin.THIS_SESSION)) == 3


def test_a_stop_does_not_wait_for_its_own_guard(manager: EngineManager) -> None:
    manager.start_engines(1)
    session = manager.cluster.session
    assert session is not None and session.guard.process is not None
    guard = session.guard.process
    assert guard.alive()
    # By the mark it would be stopped with the rest, which it ignores for seconds.
    assert guard.pid not in [record.pid for record in processes.find_by_token(session.record.token)]
    assert manager.stop() == [] and not guard.alive()


def test_a_folder_that_gets_read_only_does_not_keep_a_stop_from_its_end(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.start_engines(1)
    pids = manager.started()

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system", str(self))

    with monkeypatch.context() as readonly:
        readonly.setattr(Path, "unlink", refuse)
        assert manager.stop() == []
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert manager.state is State.NO_CLUSTER and manager.cluster.session is None


def test_an_engine_is_not_stopped_while_a_start_takes_long(
    shared: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    import parallelflow.engine_manager.manager as module

    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with shared.cluster.lock:
            held.set()
            over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    try:
        with pytest.raises(EngineUnreachable, match="being started or stopped"):
            shared.stop_engine(0)
    finally:
        over.set()
        holder.join()
