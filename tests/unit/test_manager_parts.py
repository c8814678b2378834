"""The manager's parts that need no cluster: records, locks, options, previews, what is told."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from ipyparallel.client.futures import MessageFuture

from parallelflow.engine_manager.connection import hub
from parallelflow.engine_manager.launch import controller_options as options
from parallelflow.engine_manager.launch import launchers
from parallelflow.engine_manager.launch.engine_set import EngineSet, make_private
from parallelflow.engine_manager.model import (
    EngineStart,
    Inventory,
    Origin,
    RunningProcess,
    Stage,
    StartSnapshot,
    State,
    information,
)
from parallelflow.engine_manager.system import guard, lock
from parallelflow.engine_manager.system.jobs import JobRecord
from parallelflow.engine_manager.system.origins import origin_of
from parallelflow.engine_manager.system.process_trees import stop_trees
from parallelflow.engine_manager.system.processes import TOKEN_VARIABLE, find_by_token, record_of
from parallelflow.engine_manager.system.profiles import ensure_folder
from parallelflow.engine_manager.system.records import SessionRecord, read, read_all
from parallelflow.errors import (
    ClusterError,
    ConfigurationFailed,
    EnginesFailed,
    LauncherUnusable,
    UserMistake,
)
from tests.support.waiting import wait_until
from tests.support.zombies import unreaped

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
IGNORES_TERM = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    f"subprocess.Popen({SLEEP!r}, start_new_session=True)\n"
    "print('ready', flush=True); time.sleep(600)"
)

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh here")


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """Return a profile's folder of the test's own."""
    return ensure_folder(f"parts-{abs(hash(request.node.name)) % 10**8}")


# -- processes -----------------------------------------------------------------------------


def test_a_process_is_known_again_and_not_mistaken() -> None:
    with subprocess.Popen(SLEEP) as process:
        record = record_of(process.pid, "engine")
        assert record is not None and record.alive()
        again = type(record).from_dict(json.loads(json.dumps(record.to_dict())))
        assert again.is_same(record) and again.alive()
        assert not dataclasses.replace(record, start_stamp=f"{record.start_stamp}0").alive()
        process.kill()
        wait_until(lambda: not record.alive())  # before anybody has asked how it ended
        process.wait()
    assert not record.alive() and stop_trees([record]) == []
    assert record_of(process.pid, "engine") is None


def test_a_whole_tree_is_stopped_also_what_does_not_listen() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", IGNORES_TERM], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    record = record_of(process.pid, "engine")
    assert record is not None
    inner = record_of(record.process().children()[0].pid, "inner")  # type: ignore[union-attr]
    assert stop_trees([record], term_seconds=0.2) == []
    assert inner is not None and not record.alive() and not inner.alive()
    process.wait(60)
    process.stdout.close()


def test_the_session_of_a_leader_that_is_a_zombie_is_stopped() -> None:
    """What a controller has forked in its last moment, after its session was killed."""
    leader = f"import subprocess; subprocess.Popen({SLEEP!r}); input()"
    with unreaped(leader) as (pid, end):
        wait_until(lambda: psutil.Process(pid).children())
        record = record_of(pid, "controller")
        child = record_of(psutil.Process(pid).children()[0].pid, "child")
        assert record is not None and child is not None
        end()
        assert child.alive()
        try:
            assert stop_trees([record]) == [] and not child.alive()
        finally:
            stop_trees([child])


def test_processes_are_found_by_the_mark_in_their_environment() -> None:
    token = f"test-{os.getpid()}"
    with subprocess.Popen(SLEEP, env={**os.environ, TOKEN_VARIABLE: token}) as process:
        wait_until(lambda: find_by_token(token))
        assert [record.pid for record in find_by_token(token)] == [process.pid]
        assert stop_trees(find_by_token(token)) == []
    assert find_by_token(token) == []


def test_children_of_a_stranger_with_an_old_pid_are_left_alone() -> None:
    child = f"import subprocess; subprocess.Popen({SLEEP!r}); print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", child],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as leader:
        assert leader.stdout is not None and leader.stdout.readline() == b"ready\n"
        now = record_of(leader.pid, "engine")
        assert now is not None
        inner = record_of(now.process().children()[0].pid, "inner")  # type: ignore[union-attr]
        boot, slash, ticks = now.start_stamp.rpartition("/")
        before = dataclasses.replace(now, start_stamp=f"{boot}{slash}{float(ticks) - 1000:.0f}")
        assert stop_trees([before]) == []
        assert now.alive() and inner is not None and inner.alive()
        assert stop_trees([now]) == [] and not inner.alive()


def test_a_process_started_a_moment_before_one_of_ours_is_left_alone(tmp_path: Path) -> None:
    """The pid's session may have been another one's: start times are compared to the clock tick."""
    told = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {told}.new; mv {told}.new {told}"
    leader = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    assert leader.wait(60) == 0  # its child is in its session still
    other = record_of(int(told.read_text()), "other")
    assert other is not None
    boot, slash, ticks = other.start_stamp.rpartition("/")
    if not slash:
        pytest.skip("this system counts no clock ticks")
    try:
        for later, spared in ((1, True), (0, False)):
            ours = dataclasses.replace(
                other, pid=leader.pid, start_stamp=f"{boot}/{int(ticks) + later}", kind="engine"
            )
            assert stop_trees([ours]) == [] and other.alive() is spared
    finally:
        process = other.process()
        if process is not None:
            process.kill()


# -- records -------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written(folder: Path) -> None:
    record = SessionRecord.of_this_session(folder, "some-id")
    me = record_of(os.getpid(), "engine")
    assert me is not None
    record.keep = True
    record.files = ["security/x"]
    record.engines = {"identity": {"host": "here"}}
    record.add([me], [JobRecord("job", "job 1 (slurm)", ("scancel", "1"), 5.0, "slurm")])
    assert read(record.path) == record
    record.processes, record.jobs = [], []
    record.write()
    assert read(record.path) == record  # of the files that are to go
    record.files = []
    record.write()
    assert not record.path.exists() and read_all(folder) == []


def test_a_machine_that_changes_its_name_still_knows_its_records(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SessionRecord.of_this_session(folder)
    session = dataclasses.replace(record.session, start_stamp="other-boot/5")
    elsewhere = dataclasses.replace(record, host="node7", session=session)
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    assert record.here and not elsewhere.here
    record.keep = elsewhere.keep = True
    # What another machine has left running cannot be stopped from here, and is not offered.
    assert origin_of(record) is Origin.DETACHED and origin_of(elsewhere) is Origin.EXTERNAL


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"session": 1}', "\x00"])
def test_a_damaged_record_is_passed_over(folder: Path, text: str) -> None:
    (folder / "pid" / "parallelflow-1-1.json").write_text(text)
    assert read_all(folder) == []


def test_a_job_is_ended_by_its_command_and_forgotten(folder: Path, tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    record = SessionRecord.of_this_session(folder)
    touch = (sys.executable, "-c", f"open({str(ended)!r}, 'w')")
    record.add(
        jobs=[
            JobRecord("job", "works", touch, 0.0),
            JobRecord("job", "fails", ("false",), 0.0),
            JobRecord("job", "is gone", ("no-such-command",), 0.0),
        ]
    )
    record.stop()
    assert ended.exists()
    assert [line.partition(":")[0] for line in record.not_ended] == [
        "fails was not stopped, it may have ended already",
        "is gone could not be stopped",
    ]
    # It may run on, so that it is to be ended another time.
    (left,) = read_all(folder)
    assert [job.text for job in left.jobs] == ["is gone"]


def test_the_guard_ends_what_is_recorded_when_its_pipe_does(folder: Path) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        engine = record_of(process.pid, "engine")
        assert engine is not None
        record = SessionRecord.of_this_session(folder)
        record.add([engine])
        # Released, it finds the session gone, whatever the record says.
        watching = guard.Guard(record, dict(os.environ))
        watching.release()
        assert process.wait(60) == -15
    assert not record.path.exists()
    assert watching.process is not None and not watching.process.alive()


def test_the_guard_stops_what_is_there_though_it_is_told_that_all_is_stopped(folder: Path) -> None:
    """A controller that has just ended may have started another process before."""
    record = SessionRecord.of_this_session(folder)
    late = {**os.environ, TOKEN_VARIABLE: record.token}
    with subprocess.Popen(SLEEP, start_new_session=True, env=late) as process:
        guard.Guard(record, dict(os.environ)).release(stopped=True)
        assert process.wait(60) == -15


@pytest.mark.parametrize("recorded", [False, True])
def test_the_guard_of_a_session_that_has_stopped_all_loads_nothing(
    folder: Path, recorded: bool
) -> None:
    record = SessionRecord.of_this_session(folder)
    if recorded:
        record.announce()
    code = (
        "import sys\nfrom parallelflow.engine_manager.system import guard\n"
        "print(guard.main(sys.argv[1:]), 'psutil' in sys.modules)"
    )
    me = record.session
    arguments = [str(record.path), str(me.pid), me.start_stamp, record.token]
    told = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=guard.STOPPED,
        capture_output=True,
        check=True,
    )
    assert told.stdout.split() == [b"0", str(recorded).encode()] and not record.path.exists()


def test_the_guard_leaves_what_was_left_running(folder: Path) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        engine = record_of(process.pid, "engine")
        assert engine is not None
        record = SessionRecord.of_this_session(folder)
        record.keep = True
        record.add([engine])
        guard.Guard(record, dict(os.environ)).release()
        assert process.poll() is None and record.path.exists()
        record.stop()
        assert not engine.alive() and not record.path.exists()


# -- the lock ------------------------------------------------------------------------------


def test_one_at_a_time_holds_the_lock(folder: Path) -> None:
    order: list[str] = []
    held = threading.Event()

    def first() -> None:
        with lock.profile_lock(folder):
            held.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(60)
    with lock.profile_lock(folder):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_waiting_for_the_lock_can_be_given_up(folder: Path) -> None:
    def give_up() -> None:
        raise RuntimeError("enough")

    with (
        lock.profile_lock(folder),
        pytest.raises(RuntimeError, match="enough"),
        lock.profile_lock(folder, give_up),
    ):
        pass


# -- options and launchers -----------------------------------------------------------------


@pytest.mark.parametrize("launcher", [SimpleNamespace(), SimpleNamespace(output_file=None),
                                      SimpleNamespace(output_file="")])  # fmt: skip
def test_a_launcher_without_a_log_leaves_the_working_directory_as_it_is(
    launcher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It became one that its owner could not enter."""
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_mode
    make_private(launcher)
    assert tmp_path.stat().st_mode == before
    log = tmp_path / "log"
    log.touch(0o644)
    make_private(SimpleNamespace(output_file=str(log)))
    assert log.stat().st_mode & 0o777 == 0o600


def test_options_are_left_out_where_the_profile_has_them(folder: Path) -> None:
    usual = options.controller_arguments(folder)
    assert "--HeartMonitor.period=300" in usual and "--IPController.db_class=NoDB" in usual
    given = ["--ping=1000", "--nodb", "--IPController.enable_curve=False"]
    assert [a.partition("=")[0] for a in options.controller_arguments(folder, given)] == [
        "--HeartMonitor.max_heartmonitor_misses",
        "--IPController.registration_timeout",
    ]
    (folder / "ipcontroller_config.json").write_text('{"HeartMonitor": {"period": 99}}')
    assert not any("period" in a for a in options.controller_arguments(folder))
    (folder / "ipcontroller_config.json").write_text("{")
    with pytest.raises(ConfigurationFailed, match=r"ipcontroller_config\.json cannot be read"):
        options.controller_arguments(folder)


@needs_ssh
def test_previews_follow_the_profiles_configuration(folder: Path) -> None:
    (folder / "ipcluster_config.py").write_text(
        "c.SlurmEngineSetLauncher.queue = 'long'\n"
        "c.SSHEngineSetLauncher.engines = {'alice@one': 2, 'two': 3}\n"
        "c.Cluster.engine_launcher_class = 'slurm'\n"
    )
    script = launchers.preview(folder, "slurm", 8, controller_runs=False)
    assert "--partition=long" in script.script and "--ntasks=8" in script.script
    assert "-m parallelflow.engine_manager.launch.controller_main" in script.controller
    assert "--IPController.db_class=NoDB" in script.controller
    local = launchers.preview(folder, "local", 2, controller_runs=True).command
    connection = folder / "security" / "ipcontroller-engine.json"
    assert f"-m parallelflow.engine_manager.launch.engine_main {connection}" in local
    lines = launchers.preview(folder, "ssh", 4, controller_runs=True)
    assert lines.controller == ""
    hosts = [line.split()[1] for line in lines.command.splitlines()]
    assert hosts == ["alice@one", "alice@one", "two", "two"]
    assert any("c.IPController.ip" in note for note in lines.notes)
    cluster = launchers.cluster_of(folder)
    launchers.check_launcher(cluster, "ssh", 5)
    room = r"take 5 engines \(alice@one: 2, two: 3\), not 6"
    assert re.search(room, " ".join(launchers.preview(folder, "ssh", 6, True).notes))
    with pytest.raises(LauncherUnusable, match=room):
        launchers.check_launcher(cluster, "ssh", 6)
    [chosen] = [c.name for c in launchers.choices(launchers.cluster_of(folder)) if c.default]
    assert chosen == "slurm"
    assert list(folder.parent.glob("**/slurm_engine*")) == []


@pytest.mark.parametrize(
    ("cluster", "controller"),
    [
        ("", "c.IPController.ip = '0.0.0.0'"),
        ("c.Cluster.controller_ip = '0.0.0.0'", ""),
        ("c.Cluster.controller_args = ['--ip=0.0.0.0']", "c.IPController.ip = '127.0.0.1'"),
        ("c.Cluster.controller_args = ['--ip', '0.0.0.0']", ""),
    ],
)
def test_a_preview_tells_that_the_controller_listens_beyond_this_machine(
    folder: Path, cluster: str, controller: str
) -> None:
    def notes() -> str:
        return " ".join(launchers.preview(folder, "local", 2, controller_runs=False).notes)

    assert "0.0.0.0" not in notes()
    (folder / "ipcluster_config.py").write_text(cluster)
    (folder / "ipcontroller_config.py").write_text(controller)
    assert "lets the controller listen on 0.0.0.0" in notes()


@needs_ssh
def test_ssh_without_machines_says_how_to_list_them(folder: Path) -> None:
    preview = launchers.preview(folder, "ssh", 2, controller_runs=True)
    assert any("SSHEngineSetLauncher.engines" in note for note in preview.notes)
    assert any("parallelflow setup ssh" in note for note in preview.notes)
    proxy = launchers.preview(folder, "sshproxy", 2, controller_runs=True)
    assert not proxy.command  # "ssh ''" would be no command
    assert any("SSHProxyEngineSetLauncher.hostname = 'host'" in note for note in proxy.notes)
    cluster = launchers.cluster_of(folder)
    with pytest.raises(ClusterError, match=r"SSHEngineSetLauncher\.engines"):
        launchers.check_launcher(cluster, "ssh", 2)
    with pytest.raises(UserMistake, match="no launcher 'carrier'"):
        launchers.preview(folder, "carrier", 2, controller_runs=True)


# -- what is told --------------------------------------------------------------------------


def test_stages_are_counted_as_far_as_they_have_come() -> None:
    stages = [Stage.WAITING, Stage.STARTED, Stage.REGISTERED, Stage.READY, Stage.FAILED]
    engines = tuple(EngineStart(n, stage) for n, stage in enumerate(stages, start=1))
    snapshot = StartSnapshot("p", "local", None, engines)
    assert [snapshot.count(stage) for stage in Stage] == [4, 3, 2, 1, 1]


def test_an_inventory_is_worded_by_origin() -> None:
    def process(kind: str, pid: int, origin: Origin) -> RunningProcess:
        return RunningProcess(kind, pid, "host", origin, 0.0, f"{kind} {pid}")

    inventory = Inventory(
        "p",
        (
            process("controller", 1, Origin.THIS_SESSION),
            process("engine", 2, Origin.THIS_SESSION),
            process("engine", 3, Origin.THIS_SESSION),
            process("engine", 4, Origin.DETACHED),
        ),
    )
    assert (
        inventory.sentence(Origin.THIS_SESSION)
        == "1 controller and 2 engines on host, started here."
    )
    assert inventory.sentence(Origin.DETACHED) == "1 engine on host, left running."
    assert inventory.sentence(Origin.OTHER_SESSION) == ""
    assert [p.pid for p in inventory.of(Origin.DETACHED, Origin.THIS_SESSION)] == [1, 2, 3, 4]
    assert [o for o in Origin if o.ours_to_stop] == [Origin.THIS_SESSION, Origin.DETACHED]


def test_versions_are_shown_where_they_differ() -> None:
    engines = tuple(
        information.EngineInfo(
            id=number,
            host="host",
            origin=Origin.THIS_SESSION,
            python=python,
            ipyparallel="9.2.0",
            parallelflow="0.2.0",
            vistrails=None,
        )
        for number, python in enumerate(["3.11.7", "3.12.1"])
    )
    own = {"python": "3.11.7", "ipyparallel": "9.2.0", "parallelflow": "0.2.0", "vistrails": "3.0"}
    info = information.ClusterInfo("p", State.ENGINES, engines=engines, versions=own)
    assert info.differing() == ("python",)
    assert "3.12.1" in info.to_text() and "9.2.0" not in info.to_text()


def test_an_error_shows_the_end_of_the_log_and_keeps_it_whole() -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    error = EnginesFailed("2 of 4 engines came up.", log, wanted=4, ready=2)
    assert error.log == log and "line 99" in str(error) and "line 3\n" not in str(error)
    assert str(error).startswith("2 of 4 engines came up.\nThe last lines of its log:")
    assert str(ClusterError("only this")) == "only this"


def test_of_a_program_that_refuses_the_first_lines_are_shown() -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    error = EnginesFailed("None came up.", log, wanted=4, reason_first=True)
    assert str(error).startswith("None came up.\nThe first lines of its log:\nline 0\n")
    assert "line 99" not in str(error)


def test_a_launcher_that_ends_before_it_is_seen_is_known_to_have_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    mpiexec = SimpleNamespace(pid=ended.pid, args=["/usr/bin/mpiexec", "-n", "2"])
    assert EngineSet("mpi", mpiexec).ended_programs() == ["mpiexec"]


def test_the_guards_imports_are_light() -> None:
    """It lives as long as the session: neither ipyparallel nor zmq, nor VisTrails."""
    code = (
        "import sys, parallelflow.engine_manager.system.guard; "
        "print({m.partition('.')[0] for m in sys.modules} & "
        "{'ipyparallel', 'zmq', 'IPython', 'tornado', 'vistrails', 'PyQt5'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class HubClient:
    """What a list of engines uses of a client; `answer` gives what the hub says to the question."""

    def __init__(self, engines: dict[int, str]) -> None:
        self._query_stream = None
        self._engines = engines
        self.asked: list[MessageFuture] = []

    @property
    def ids(self) -> list[int]:
        return sorted(self._engines)

    def _send(self, *arguments: object, **content: object) -> MessageFuture:
        self.asked.append(MessageFuture(str(len(self.asked))))
        return self.asked[-1]

    def _update_engines(self, engines: dict[int, str]) -> None:
        self._engines.update(engines)

    def _unregister_engine(self, message: Any) -> None:
        del self._engines[message["content"]["id"]]

    def answer(self, **content: object) -> None:
        self.asked[-1].set_result({"content": {"status": "ok", **content}})


def test_an_engine_that_leaves_while_the_hub_answers_is_not_added() -> None:
    client: Any = HubClient({})
    engines = hub.EngineList(0)
    for listed in ({"0": "a", "1": "b"}, {"1": "b"}, {"1": "b", "2": "c"}):
        engines.look(client)
        engines.look(client)  # while the answer is waited for, nothing is asked
        client.answer(engines=listed)
    assert client._engines == {1: "b"} and len(client.asked) == 3


def test_an_engine_that_was_known_and_has_left_is_not_added_by_an_older_answer() -> None:
    client: Any = HubClient({0: "a", 1: "b"})
    engines = hub.EngineList(0)
    engines.look(client)
    client.answer(engines={"0": "a", "1": "b"})
    engines.look(client)
    del client._engines[1]  # the client is told of its end before the answer is there
    client.answer(engines={"0": "a", "1": "b"})
    assert client._engines == {0: "a"}


def test_engines_whose_end_was_not_told_are_removed_after_two_answers() -> None:
    client: Any = HubClient({0: "a", 1: "b"})
    engines = hub.EngineList()

    def answer(*listed: int, **content: object) -> list[int]:
        engines.look_for_left(client)
        engines.look_for_left(client)  # while the answer is waited for, nothing is asked
        client.answer(**{str(engine): {} for engine in listed}, unassigned=0, **content)
        return list(client._engines)

    assert answer(0) == [0, 1]
    client._engines[2] = "c"  # it joins while the hub answers
    assert answer(0, 1) == [0, 1, 2]
    assert answer(0, 2) == [0, 1, 2]
    assert answer(status="error") == [0, 1, 2]  # says nothing of engines
    assert answer(0, 2) == [0, 2]
    assert len(client.asked) == 5
