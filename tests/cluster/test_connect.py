"""Finding what runs, however it was started, and what only seems to run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ipyparallel
import psutil
import pytest

from parallelflow.engine_manager import EngineManager, State
from parallelflow.engine_manager.connection import cluster_connection as link
from parallelflow.engine_manager.connection.connection_files import (
    ANSWER_SECONDS,
    ConnectionFile,
    connections,
)
from parallelflow.engine_manager.model import Origin
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import ConnectFailed, ProfileError, StartCancelled
from tests.support.foreign_cluster import foreign_cluster
from tests.support.waiting import BUSY_SECONDS

from .sessions import running, wait_until, wait_until_gone

# Less than what a controller is waited for; a file that a dead one has left costs milliseconds.
STALE_SECONDS = 6.0


def write_connection(profile: str, port: int, cluster_id: str = "", **fields: object) -> Path:
    """Write a client connection file as a controller does."""
    folder = profiles.ensure_folder(profile)
    name = f"ipcontroller{f'-{cluster_id}' if cluster_id else ''}-client.json"
    info = {"interface": "tcp://127.0.0.1", "registration": port, "location": "", **fields}
    path = folder / "security" / name
    path.write_text(json.dumps(info))
    path.chmod(0o600)
    return path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def listener(answer: bytes = b"") -> Iterator[int]:
    """Run a program that accepts connections, says something, and is no controller."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


def timed_connect(manager: EngineManager) -> tuple[object, float]:
    began = time.monotonic()
    return manager.connect(), time.monotonic() - began


def test_without_any_cluster_nothing_is_found_nor_made(manager: EngineManager) -> None:
    assert manager.connect() is None and manager.state is State.NO_CLUSTER
    assert not profiles.profile_folder(manager.profile).exists()


def test_a_stale_file_is_recognised_at_once(manager: EngineManager) -> None:
    write_connection(manager.profile, free_port())
    client, seconds = timed_connect(manager)
    assert client is None and seconds < STALE_SECONDS


def test_the_files_of_another_machines_cluster_are_left_alone(manager: EngineManager) -> None:
    """A folder that several machines share: their cluster may live, and cannot be asked."""
    path = write_connection(manager.profile, free_port(), location="node7.invalid")
    with pytest.raises(ConnectFailed, match=r"belongs to a cluster on node7\.invalid"):
        manager.start_engines(1)
    assert path.exists() and manager.started() == []
    write_connection(manager.profile, free_port(), location=socket.gethostname())
    (connection,) = connections(manager.profile)
    assert not connection.elsewhere


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_another_program_at_the_port_is_no_controller(
    manager: EngineManager, answer: bytes
) -> None:
    with listener(answer) as port:
        write_connection(manager.profile, port)
        client, seconds = timed_connect(manager)
    assert client is None and seconds < STALE_SECONDS


def test_another_clusters_controller_at_the_port_is_not_taken(
    manager: EngineManager, shared: EngineManager
) -> None:
    assert shared.cluster.connection is not None
    write_connection(manager.profile, shared.cluster.connection.file.port)
    client, seconds = timed_connect(manager)
    assert client is None and seconds < STALE_SECONDS


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"registration": "x"}', "\x00\xff"])
def test_a_file_that_is_no_connection_file_is_passed_over(
    manager: EngineManager, text: str
) -> None:
    path = write_connection(manager.profile, 1)
    path.write_text(text)
    assert manager.connect() is None


@pytest.mark.parametrize("whose", ["client", "engine"])
def test_a_file_that_others_can_read_is_told(
    manager: EngineManager, shared: EngineManager, whose: str
) -> None:
    told: list[str] = []

    class Hears(type(manager.interaction)):  # type: ignore[misc]
        def tell(self, message: str) -> None:
            told.append(message)

    assert shared.cluster.connection is not None
    path = shared.cluster.connection.file.path
    path = path.with_name(path.name.replace("client", whose))
    second = EngineManager(shared.profile, Hears())
    path.chmod(0o640)
    try:
        assert second.connect() is not None
        assert len(told) == 1 and str(path) in told[0] and "chmod 600" in told[0]
        assert any(str(path) in warning for warning in second.info().warnings)
    finally:
        path.chmod(0o600)
        second.stop()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shared.alive()


@pytest.mark.own_cluster
@pytest.mark.parametrize(
    "cluster_id",
    [
        pytest.param("", id="ipcluster"),
        pytest.param("1700000000-abcd", id="Jupyter", marks=pytest.mark.slow),
    ],
)
def test_a_cluster_of_another_program_is_used_and_never_touched(
    manager: EngineManager, profile: str, cluster_id: str
) -> None:
    with foreign_cluster(profile, cluster_id) as cluster:
        client = manager.connect()
        assert client is not None
        wait_until(lambda: manager.state is State.ENGINES and manager.cluster.connection.facts, 60)  # type: ignore[union-attr]
        info = manager.info()
        assert info.controller is not None and info.controller.cluster_id == cluster_id
        assert info.controller.origin is Origin.EXTERNAL
        assert info.controller.pid == cluster.controller.pid
        assert [e.origin for e in info.engines] == [Origin.EXTERNAL]
        assert client[0].apply_sync(pow, 2, 5) == 32
        # Ours are added to it, and only they end with us.
        before = set(running(profile))
        manager.start_engines(1)
        assert manager.info().started(Origin.THIS_SESSION) == 1
        [found] = [p for p in manager.profiles() if p.name == profile]
        assert [c.origin for c in found.clusters] == [Origin.EXTERNAL]
        assert manager.inventory().of(Origin.EXTERNAL) == ()
        manager.cleanup()
        assert set(running(profile)) == before
    wait_until_gone(profile)


@pytest.mark.own_cluster
def test_engines_that_were_just_started_are_waited_for(
    manager: EngineManager, profile: str
) -> None:
    # ipcluster waits a second between the controller and its engines.
    with foreign_cluster(profile, "", n=0) as cluster:
        start = threading.Timer(1.0, cluster.start_engines_sync, [2])
        start.start()
        try:
            assert manager.ensure_engines() is not None
            assert len(manager.info().engines) == 2 and manager.started() == []
        finally:
            start.join()


def busy(manager: EngineManager) -> contextlib.ExitStack:
    """Hold the manager's lock from another thread, as a start that waits in a queue does."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with manager.cluster.lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    stack = contextlib.ExitStack()
    stack.callback(thread.join)
    stack.callback(over.set)
    return stack


def test_a_start_under_way_keeps_nobody_waiting(shared: EngineManager) -> None:
    with busy(shared):
        assert shared.connect() is not None
        assert shared.ensure_engines() is not None and shared.ensure_engines(ask=False) is not None
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(StartCancelled):
            shared.start_engines(1, cancel=cancel)


def test_without_asking_nothing_is_waited_for(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with busy(manager):
        assert manager.ensure_engines(ask=False) is None
    # Nothing listens at this address, and nothing says so (RFC 5737).
    write_connection(manager.profile, 9, interface="tcp://192.0.2.1")
    waits: list[float] = []
    answers = ConnectionFile.answers

    def noted(file: ConnectionFile, seconds: float = ANSWER_SECONDS) -> bool:
        waits.append(seconds)
        return answers(file, seconds)

    monkeypatch.setattr(ConnectionFile, "answers", noted)
    assert manager.ensure_engines(ask=False) is None
    assert len(waits) == 1 and waits[0] < 0.1


@pytest.mark.own_cluster
def test_what_we_start_other_programs_see(shared: EngineManager) -> None:
    command = [sys.executable, "-m", "ipyparallel.cluster", "list", "-o", "json"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    folder = f"profile_{shared.profile}"
    [ours] = [c for c in listed if c["cluster"]["profile_dir"].endswith(folder)]
    assert ours["controller"]["state"]["pid"] in shared.started()
    theirs = ipyparallel.Client(profile=shared.profile, timeout=10)
    assert theirs.ids == [0, 1]
    theirs.close()


@pytest.mark.own_cluster
def test_a_private_cluster_is_not_found_by_others(
    new_manager: Callable[..., EngineManager],
) -> None:
    ours, other = new_manager(), new_manager()
    ours.configure(private=True, engines=1)
    assert ours.ensure_engines() is not None
    assert other.connect() is None


@pytest.mark.own_cluster
def test_a_controller_that_hangs_is_told_in_bounded_time(
    manager: EngineManager, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONNECT_SECONDS", 1.0)
    with foreign_cluster(profile, "", n=0) as cluster:
        group = psutil.Process(cluster.controller.pid)
        group.suspend()
        try:
            began = time.monotonic()
            with pytest.raises(ConnectFailed, match="does not answer"):
                manager.connect()
            assert time.monotonic() - began < 1.0 + BUSY_SECONDS
            assert manager.state is State.NO_CLUSTER
        finally:
            group.resume()


@pytest.mark.own_cluster
def test_the_death_of_a_foreign_controller_is_noticed(manager: EngineManager, profile: str) -> None:
    with foreign_cluster(profile, "") as cluster:
        assert manager.connect() is not None
        manager.start_engines(1)
        states: list[State] = []
        manager.on_state(states.append)
        os.killpg(cluster.controller.pid, signal.SIGKILL)
        wait_until(lambda: not manager.alive(), BUSY_SECONDS)
        wait_until(lambda: manager.state is State.LOST, BUSY_SECONDS)
        # Ours, which cannot be used any more, end; theirs are not ours to end.
        wait_until(lambda: manager.started() == [], BUSY_SECONDS)
        assert cluster.engine_set is not None
        assert all(e.poll() is None for e in cluster.engine_set.launchers.values())
        # Every question comes back.
        began = time.monotonic()
        assert manager.info().state is State.LOST
        assert manager.connect() is None
        assert manager.state is State.NO_CLUSTER
        assert time.monotonic() - began < 15 + BUSY_SECONDS


@pytest.mark.own_cluster
def test_another_clients_shutdown_is_noticed(manager: EngineManager, profile: str) -> None:
    manager.start_engines(1)
    other = ipyparallel.Client(profile=profile, timeout=10)
    other.shutdown(hub=True)
    wait_until(lambda: manager.state is State.LOST, BUSY_SECONDS)
    manager.start_engines(1)
    assert manager.state is State.ENGINES


@pytest.mark.parametrize("name", ["../other", "a/b", "", ".", "..", "a" * 65, "a b", "ä", "-a"])
def test_a_profile_name_cannot_leave_the_folder(manager: EngineManager, name: str) -> None:
    for use in (manager.change_profile, manager.create_profile, profiles.profile_folder):
        with pytest.raises(ProfileError, match="not a valid profile name"):
            use(name)


def test_a_profile_is_made_and_chosen(manager: EngineManager, profile: str) -> None:
    name = f"{profile}-new"
    manager.create_profile(name)
    assert name in [p.name for p in manager.profiles()]
    with pytest.raises(ProfileError, match="already"):
        manager.create_profile(name)
    manager.change_profile(name)
    assert [p.name for p in manager.profiles() if p.current] == [name]


@pytest.mark.own_cluster
def test_changing_the_profile_stops_or_leaves_what_was_started(
    manager: EngineManager, profile: str
) -> None:
    manager.start_engines(1)
    manager.change_profile(f"{profile}b")
    assert running(profile) == {} and manager.state is State.NO_CLUSTER
    manager.start_engines(1)
    manager.change_profile(profile, leave=True)
    assert len(running(f"{profile}b")) > 0 and manager.state is State.NO_CLUSTER
    [left] = [p for p in manager.profiles() if p.running and p.name == f"{profile}b"]
    assert [c.origin for c in left.clusters] == [Origin.DETACHED]
    manager.change_profile(f"{profile}b")
    manager.cleanup()
    assert running(f"{profile}b") == {}


def test_a_folder_that_is_no_profile_is_passed_over(manager: EngineManager, profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    odd = folder.with_name("profile_a..b")
    odd.mkdir()
    try:
        assert profile in [p.name for p in manager.profiles()]
    finally:
        odd.rmdir()


@pytest.mark.own_cluster
def test_the_files_of_a_cluster_that_came_later_are_left_alone(
    new_manager: Callable[..., EngineManager], profile: str
) -> None:
    first, second, third = new_manager(), new_manager(), new_manager()
    first.start_engines(1)
    assert second.connect() is not None
    second.shutdown_cluster()
    second.start_engines(1)
    # Without asking, the first one finds the new cluster, and its end does not take it away.
    wait_until(lambda: first.ensure_engines(ask=False) is not None)
    first.stop()
    client = third.connect()
    assert client is not None and len(client.ids) == 1


@pytest.mark.own_cluster
def test_two_threads_that_need_engines_start_them_once(manager: EngineManager) -> None:
    manager.configure(engines=1)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(manager.ensure_engines())) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 2 and None not in found
    assert len(manager.info().engines) == 1
