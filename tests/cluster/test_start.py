"""Starting engines: what is told, what is started, and what is left when it fails."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipyparallel
import psutil
import pytest

from parallelflow.engine_manager import EngineManager, State, start, starter
from parallelflow.engine_manager.connection import cluster_connection as link
from parallelflow.engine_manager.connection.connection_files import connections
from parallelflow.engine_manager.connection.controller_processes import ControllerProcesses
from parallelflow.engine_manager.launch.cluster_launcher import ClusterLauncher
from parallelflow.engine_manager.model import Stage, StartSnapshot
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import (
    ClusterError,
    ControllerFailed,
    EnginesFailed,
    ProfileError,
    StartCancelled,
    UserMistake,
)
from tests.support.waiting import wait_until

from .sessions import running

pytestmark = pytest.mark.own_cluster

#: For what depends on how, and how long, programs load their libraries.
as_the_product = pytest.mark.usefixtures("programs_load_their_libraries")


@as_the_product
def test_a_start_tells_each_engine_from_process_to_vistrails(
    manager: EngineManager, profile: str
) -> None:
    """VisTrails is ready when it returns."""
    told: list[StartSnapshot] = []
    states: list[State] = []
    manager.on_state(states.append)
    manager.start_engines(2, progress=told.append)
    # Where both engines are fast, nobody has seen the controller alone.
    assert [s for s in states if s is not State.CONTROLLER] == [State.CONNECTING, State.ENGINES]
    assert [told[0].controller, told[-1].controller] == [Stage.WAITING, Stage.REGISTERED]
    last = told[-1]
    assert last.profile == profile and last.count(Stage.READY) == 2
    client = manager.connect()
    assert client is not None and client.ids == [0, 1]
    began = "__import__('vistrails.core.application').core.application.get_vistrails_application()"
    assert client[:].apply_sync(eval, f"{began} is not None") == [True, True]
    assert {e.engine for e in last.engines} == {0, 1}
    for engine in last.engines:
        assert engine.pid in manager.started() and engine.note == ""
        stages = [s.engines[engine.number - 1].stage for s in told]
        order = list(Stage)
        assert stages == sorted(stages, key=order.index)
        assert {Stage.WAITING, Stage.STARTED, Stage.READY} <= set(stages)


def miss_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients hear of no engine that registers, as if they had subscribed too late."""
    monkeypatch.setattr(ipyparallel.Client, "_register_engine", lambda self, message: None)
    monkeypatch.setattr("parallelflow.engine_manager.start.ENGINES_SECONDS", 20.0)


def test_engines_of_whose_registration_nothing_is_heard_are_found(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    miss_registrations(monkeypatch)
    manager.start_engines(2)
    client = manager.connect()
    assert client is not None and client.ids == [0, 1]
    assert list(client[:].apply_sync(os.getpid)) != []


def test_engines_of_another_session_are_found_without_its_notification(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    miss_registrations(monkeypatch)
    manager.start_engines(1)
    other = EngineManager(manager.profile)
    try:
        assert other.connect() is not None
        manager.start_engines(1)
        other.engines_wanted = 2
        client = other.ensure_engines()
        assert client is not None and client.ids == [0, 1]
        assert other.started() == []
    finally:
        other.stop()


def test_a_question_that_is_lost_on_its_way_is_asked_again(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a message is that comes before the engine's connection is complete.
    lost: list[str] = []
    for name in ("request_metadata", "ask_ready"):
        really = getattr(link, name)

        def ask(*arguments: object, really: object = really, name: str = name) -> None:
            if lost.count(name) < 1:
                lost.append(name)
            else:
                really(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(link, name, ask)
    manager.start_engines(1)
    assert sorted(lost) == ["ask_ready", "request_metadata"]
    (engine,) = manager.info().engines
    assert engine.pid in manager.started()
    assert (engine.tasks_done, engine.tasks_waiting, engine.busy) == (0, 0, False)
    client = manager.connect()
    assert client is not None and client[0].apply_sync(abs, -1) == 1
    # The hub counts by what its schedulers report, which may come after the answer.
    wait_until(lambda: manager.info().engines[0].tasks_done == 1)


def test_engines_are_added_to_a_running_cluster(manager: EngineManager, profile: str) -> None:
    manager.start_engines(1)
    controller = manager.info().controller
    told: list[StartSnapshot] = []
    manager.start_engines(1, progress=told.append)
    assert told[-1].controller is None
    info = manager.info()
    assert info.controller == controller and len(info.engines) == 2
    assert manager.stop() == [] and running(profile) == {}


@as_the_product
def test_an_engine_has_one_numeric_thread_unless_the_user_says_otherwise(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    manager.start_engines(1, until=Stage.REGISTERED)
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    expression = f"[__import__('os').environ[name] for name in {names}]"
    client = manager.connect()
    assert client is not None
    assert client[0].apply_sync(eval, expression) == ["1", "1", "3"]


# Python's default from 3.14 on.
FORK_SERVER = """
import multiprocessing, pathlib
from multiprocessing import context
context._default_context._default_context = context._concrete_contexts["forkserver"]
multiprocessing.get_all_start_methods = lambda: ["forkserver", "spawn", "fork"]
pathlib.Path(__file__).with_name("loaded").touch()
"""


@as_the_product
@pytest.mark.parametrize("as_in_3_14", [False, True])
def test_a_module_of_the_working_directory_does_not_stop_the_controller(
    manager: EngineManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_in_3_14: bool
) -> None:
    """Also where this Python's processes begin otherwise than by a fork, as 3.14's do."""
    if as_in_3_14:
        site = tmp_path / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(FORK_SERVER)
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    (tmp_path / "random.py").write_text("raise RuntimeError('not the one of Python')")
    monkeypatch.chdir(tmp_path)
    manager.start_engines(1)
    assert manager.state is State.ENGINES
    commands = running(manager.profile).values()
    assert not any("multiprocessing.forkserver" in command for command in commands)
    assert (tmp_path / "site" / "loaded").exists() == as_in_3_14


@as_the_product
@pytest.mark.parametrize(
    ("engines", "stage"),
    [
        (2, Stage.WAITING),
        pytest.param(2, Stage.STARTED, marks=pytest.mark.slow),
        pytest.param(2, Stage.REGISTERED, marks=pytest.mark.slow),
        (1, Stage.REGISTERED),  # nothing is left to wait for then
    ],
)
def test_a_cancelled_start_leaves_nothing(
    manager: EngineManager, profile: str, engines: int, stage: Stage
) -> None:
    cancel = threading.Event()

    def watch(snapshot: StartSnapshot) -> None:
        if snapshot.count(stage) > 0:
            cancel.set()

    with pytest.raises(StartCancelled):
        manager.start_engines(engines, progress=watch, cancel=cancel)
    assert running(profile) == {} and manager.state is State.NO_CLUSTER
    assert list(profiles.profile_folder(profile).glob("security/*")) == []


@as_the_product
def test_a_start_that_is_cancelled_when_the_controller_has_written_its_files(
    manager: EngineManager, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ClusterLauncher.start_controller

    def start(self: ClusterLauncher, check: Any = None) -> None:
        process = original(self)
        wait_until(self.controller_up)
        assert process is not None
        tree = psutil.Process(process.pid)
        for each in (*tree.children(recursive=True), tree):
            each.kill()  # before it can remove them
        raise StartCancelled("cancelled")

    monkeypatch.setattr(ClusterLauncher, "start_controller", start)
    with pytest.raises(StartCancelled):
        manager.start_engines(1)
    assert running(profile) == {}
    assert list(profiles.profile_folder(profile).glob("security/*")) == []


def test_a_cancelled_addition_leaves_what_was_there(shared: EngineManager) -> None:
    before, engines = shared.started(), [e.id for e in shared.info().engines]
    cancel = threading.Event()
    with pytest.raises(StartCancelled):
        shared.start_engines(2, progress=lambda s: cancel.set(), cancel=cancel)
    assert shared.started() == before and shared.alive()
    assert [e.id for e in shared.info().engines] == engines and len(engines) == 2


@as_the_product
def test_stop_cancels_a_start_of_another_thread(manager: EngineManager, profile: str) -> None:
    began = threading.Event()
    errors: list[BaseException] = []

    def start() -> None:
        try:
            manager.start_engines(2, progress=lambda s: began.set())
        except StartCancelled as e:
            errors.append(e)

    thread = threading.Thread(target=start)
    thread.start()
    assert began.wait(30)
    manager.stop()
    thread.join(30)
    assert len(errors) == 1 and running(profile) == {}


@as_the_product
def test_engines_that_end_are_told_with_their_whole_log(
    manager: EngineManager, profile: str
) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / "ipengine_config.py").write_text("c.IPEngine.timeout = 'no number'\n")
    told: list[StartSnapshot] = []
    with pytest.raises(EnginesFailed) as caught:
        manager.start_engines(2, progress=told.append)
    assert (caught.value.wanted, caught.value.ready) == (2, 0)
    assert "'no number'" in caught.value.log_excerpt and "None of the 2" in caught.value.message
    notes = {(e.stage, e.note) for e in told[-1].engines}
    assert (Stage.FAILED, "its process ended") in notes
    assert notes <= {(Stage.FAILED, "its process ended"), (Stage.WAITING, "stopped again")}
    assert running(profile) == {} and manager.state is State.NO_CLUSTER


@as_the_product
def test_a_controller_that_ends_is_told_with_its_log(
    manager: EngineManager,
    profile: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(starter, "ATTEMPTS", 2)  # each takes seconds and ends as the one before
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        folder = profiles.ensure_folder(profile)
        port = taken.getsockname()[1]
        (folder / "ipcontroller_config.py").write_text(f"c.IPController.engine_ports = [{port}]\n")
        with pytest.raises(ControllerFailed, match="Address already in use"):
            manager.start_engines(1)
    assert caplog.text.count("Trying it once more") == 1
    assert running(profile) == {} and manager.state is State.NO_CLUSTER
    # The port is free again: the next start succeeds.
    manager.start_engines(1, until=Stage.REGISTERED)
    assert str(port) in str(manager.info().controller)


@as_the_product
@pytest.mark.parametrize("file", ["ipcontroller_config.py", "ipcluster_config.py"])
def test_a_configuration_that_cannot_be_read_is_named(
    manager: EngineManager, profile: str, file: str
) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / file).write_text("c.IPController.ip = \n")
    with pytest.raises(ClusterError, match=file):
        manager.start_engines(1)
    assert running(profile) == {}


@as_the_product
def test_what_the_profile_configures_goes_first(manager: EngineManager, profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / "ipcontroller_config.py").write_text(
        "c.IPController.enable_curve = False\nc.HeartMonitor.period = 350\n"
    )
    (folder / "ipcluster_config.py").write_text(
        "c.Cluster.controller_args = ['--nodb']\n"
        "c.LocalEngineSetLauncher.environment = {'OMP_NUM_THREADS': '2'}\n"
    )
    manager.start_engines(1)
    controller = manager.info().controller
    assert controller is not None and not controller.encrypted
    assert controller.pid is not None
    command = Path(f"/proc/{controller.pid}/cmdline").read_text()
    assert "HeartMonitor.period" not in command and "enable_curve" not in command
    client = manager.connect()
    assert client is not None
    asked = client[0].apply_sync(eval, "__import__('os').environ['OMP_NUM_THREADS']")
    assert asked == "2"


def test_an_unknown_launcher_is_the_users_mistake(manager: EngineManager, profile: str) -> None:
    with pytest.raises(UserMistake, match="'nope'; ipyparallel offers: local, ssh"):
        manager.start_engines(1, "nope")
    assert running(profile) == {}


@as_the_product
def test_a_launcher_whose_program_is_missing_starts_nothing(
    manager: EngineManager, profile: str
) -> None:
    with pytest.raises(ClusterError, match="needs the program condor_submit"):
        manager.start_engines(1, "htcondor")
    assert running(profile) == {}


@as_the_product
@pytest.mark.long_wait
def test_an_engine_that_is_late_does_not_stop_the_others(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not so short that a busy machine makes the other two late as well.
    monkeypatch.setattr(start, "ENGINES_SECONDS", 10.0)
    stopped: list[int] = []
    told: list[StartSnapshot] = []
    lines: list[str] = []
    monkeypatch.setattr(manager.interaction, "tell", lines.append)

    def stop_one(snapshot: StartSnapshot) -> None:
        told.append(snapshot)
        pids = [engine.pid for engine in snapshot.engines if engine.pid is not None]
        if pids and not stopped:
            stopped.append(pids[0])
            os.kill(pids[0], signal.SIGSTOP)

    assert manager.start_engines(3, progress=stop_one) == 2
    assert len(manager.connect().ids) == 2  # type: ignore[union-attr]
    assert [told[-1].count(Stage.READY), told[-1].count(Stage.FAILED)] == [2, 1]
    assert any("1 of 3 engines" in line and "did not register" in line for line in lines)
    assert stopped[0] not in manager.started()


@as_the_product
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_more_engines_than_cores_start(manager: EngineManager) -> None:
    assert manager.start_engines(64) == 64
    assert len(manager.connect().ids) == 64  # type: ignore[union-attr]


def test_fewer_than_one_engine_is_refused(manager: EngineManager) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        manager.start_engines(0)


def test_a_folder_that_cannot_be_used_is_told(manager: EngineManager, profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / "security").rmdir()
    (folder / "security").write_text("a file where a folder should be")
    with pytest.raises(ProfileError, match="cannot be used"):
        manager.start_engines(1)
    assert running(profile) == {}


def test_two_sessions_that_start_at_once_share_one_controller(
    new_manager: Callable[..., EngineManager], profile: str
) -> None:
    managers = [new_manager(), new_manager()]
    threads = [threading.Thread(target=m.start_engines, args=(1,)) for m in managers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    infos = [m.info() for m in managers]
    assert infos[0].controller is not None and infos[1].controller is not None
    assert infos[0].controller.pid == infos[1].controller.pid
    assert [len(i.engines) for i in infos] == [2, 2]
    origins = {i.controller.origin.value for i in infos if i.controller}
    assert origins == {"started here", "started by another session of Parallel Flow"}


def test_an_interaction_that_gives_up_cancels(manager: EngineManager, profile: str) -> None:
    asked: list[float] = []

    class GivesUp(type(manager.interaction)):  # type: ignore[misc]
        def cancelled(self) -> bool:
            asked.append(time.monotonic())
            return len(asked) > 20

    manager.interaction = GivesUp()
    with pytest.raises(StartCancelled):
        manager.ensure_engines()
    assert running(profile) == {}
    # A window draws itself there: never more than 100 ms without.
    pauses = [b - a for a, b in itertools.pairwise(asked)]
    assert sorted(pauses)[len(pauses) // 2] < 0.1


def test_engines_start_without_asking_only_if_allowed(manager: EngineManager) -> None:
    manager.configure(engines=1)
    assert manager.ensure_engines(ask=False) is None and manager.started() == []
    client = manager.ensure_engines()
    assert client is not None and client.ids == [0]
    assert manager.ensure_engines(ask=False) is client


def test_not_now_starts_nothing(manager: EngineManager) -> None:
    class NotNow(type(manager.interaction)):  # type: ignore[misc]
        def engines_to_start(self, profile: str, suggested: int) -> int:
            return 0

    manager.interaction = NotNow()
    assert manager.ensure_engines() is None and manager.started() == []


def test_the_cores_left_are_suggested(manager: EngineManager, shared: EngineManager) -> None:
    cores = os.cpu_count() or 1
    assert manager.suggested_engines() == cores
    assert shared.free_cores() == max(cores - 2, 0)
    assert shared.suggested_engines() == max(cores - 2, 1)


def test_a_controller_whose_port_was_taken_in_that_moment_is_started_once_more(
    manager: EngineManager, caplog: pytest.LogCaptureFixture
) -> None:
    """ipcontroller chooses its ports before it takes them; here its heart's is taken."""
    folder = profiles.ensure_folder(manager.profile)
    with socket.socket() as taken, socket.socket() as other:
        for one in (taken, other):
            one.bind(("127.0.0.1", 0))
            one.listen()
        ports = (taken.getsockname()[1], other.getsockname()[1])
        (folder / "ipcontroller_config.py").write_text(f"c.IPController.hb = {ports}\n")
        thread = threading.Thread(target=manager.start_engines, args=(1,))
        thread.start()
        deadline = time.monotonic() + 60
        while "Trying it once more" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        taken.close()
        other.close()
        thread.join(60)
    client = manager.connect()
    assert client is not None and client[:].apply_sync(abs, -1) == [1]
    assert "Trying it once more" in caplog.text


def test_a_cluster_without_a_part_that_found_its_port_taken_is_started_again(
    manager: EngineManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Engines register without it, but could not be interrupted."""
    killed: list[int] = []

    def end_control(snapshot: StartSnapshot) -> None:
        if killed or not snapshot.count(Stage.REGISTERED):
            return
        found = [ControllerProcesses(file).pids() for file in connections(manager.profile)]
        [log] = profiles.ensure_folder(manager.profile).glob("log/ipcontroller-*.log")
        with log.open("a") as stream:
            stream.write("zmq.error.ZMQError: Address already in use\n")
        for pid in found[0]["control"]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    manager.start_engines(1, progress=end_control)
    assert killed and caplog.text.count("Trying it once more") == 1
    connection = manager.cluster.connection
    assert connection is not None and connection.impairments() == []
    assert "control" in ControllerProcesses(connection.file).pids()


def test_a_part_of_the_controller_that_found_its_port_taken_is_no_end_of_a_start(
    manager: EngineManager, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so; the part has ended, as if somebody had killed it."""
    folder = profiles.ensure_folder(manager.profile)
    # The first engine does not register before the part's end was seen.
    wait = "import os, time\nwhile not os.path.exists({!r}):\n    time.sleep(0.05)\n"
    (folder / "ipengine_config.py").write_text(wait.format(str(folder / "seen")))
    killed: list[int] = []

    def end_the_heart(snapshot: StartSnapshot) -> None:
        if "Trying it once more" in caplog.text:
            (folder / "seen").touch()
        if killed or not snapshot.count(Stage.STARTED):
            return
        found = [ControllerProcesses(file).pids() for file in connections(manager.profile)]
        for pid in found[0].get("hb_ping", ()) if found else ():
            [log] = folder.glob("log/ipcontroller-*.log")
            with log.open("a") as stream:
                stream.write("zmq.error.ZMQError: Address already in use\n")
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    manager.start_engines(1, progress=end_the_heart)
    assert killed and "its heart monitor" in caplog.text and "Trying it once more" in caplog.text
    client = manager.connect()
    assert client is not None and client[:].apply_sync(abs, -1) == [1]
