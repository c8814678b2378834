"""The claims of docs/security.md, one test or more for each; the numbers are those there."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import ipyparallel
import psutil
import pytest
import zmq

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.system import processes, profiles, records
from tests.support.waiting import wait_until

SAY = "print('the secret result')"


def tree(manager: EngineManager) -> list[psutil.Process]:
    """Return every process of the session's cluster."""
    leaders = [psutil.Process(pid) for pid in manager.started()]
    return leaders + [child for one in leaders for child in one.children(recursive=True)]


def connection_info(manager: EngineManager) -> dict[str, object]:
    assert manager.cluster.connection is not None
    info: dict[str, object] = json.loads(manager.cluster.connection.file.path.read_text())
    return info


def overheard(manager: EngineManager, seconds: float) -> bytes:
    """Have an engine print, and return what somebody without the key hears of it."""
    info = connection_info(manager)
    with zmq.Context() as context, context.socket(zmq.SUB) as ear:
        ear.linger = 0
        ear.subscribe(b"")
        ear.connect(f"tcp://127.0.0.1:{info['iopub']}")
        client = manager.connect()
        assert client is not None
        heard = b""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and b"secret" not in heard:
            client[0].execute(SAY, block=True)
            while ear.poll(200):
                heard += b"".join(ear.recv_multipart())
        return heard


def test_1_controllers_listen_on_this_machine_only(shared: EngineManager) -> None:
    listening = [
        one.laddr.ip
        for process in tree(shared)
        for one in process.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 10 and set(listening) == {"127.0.0.1"}
    controller = shared.info().controller
    assert controller is not None and not controller.beyond_this_machine


@pytest.mark.own_cluster
def test_1_a_controller_that_listens_beyond_is_told(manager: EngineManager, profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / "ipcontroller_config.py").write_text("c.IPController.ip = '0.0.0.0'\n")
    preview = manager.launch_preview("local", 1)
    assert any("0.0.0.0" in note and "run programs as you" in note for note in preview.notes)
    manager.start_engines(1)
    info = manager.info()
    assert info.controller is not None and info.controller.beyond_this_machine
    assert any("0.0.0.0" in warning for warning in info.warnings)


def test_2_files_and_folders_are_the_owners_only(shared: EngineManager) -> None:
    folder = profiles.profile_folder(shared.profile)
    for name in ("security", "pid", "log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700
    files = [*folder.glob("security/ipcontroller*"), *folder.glob("pid/parallelflow-*.json")]
    files += folder.glob("log/ip*.log")
    assert len(files) >= 6
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no encryption")
def test_3_without_the_key_nothing_is_heard(shared: EngineManager) -> None:
    controller = shared.info().controller
    assert controller is not None and controller.encrypted
    assert overheard(shared, seconds=2.0) == b""


@pytest.mark.own_cluster
def test_3_without_encryption_it_would_be(manager: EngineManager, profile: str) -> None:
    """The ear of the test before does hear, where the profile turns encryption off."""
    folder = profiles.ensure_folder(profile)
    (folder / "ipcontroller_config.py").write_text("c.IPController.enable_curve = False\n")
    manager.start_engines(1)
    assert b"the secret result" in overheard(manager, seconds=20.0)


def test_3_without_the_key_nothing_can_be_asked(shared: EngineManager) -> None:
    info = connection_info(shared) | {"curve_serverkey": None}
    with pytest.raises(TimeoutError):
        ipyparallel.Client(info, timeout=1)
    wrong = zmq.curve_keypair()[0].decode()
    with pytest.raises(TimeoutError):
        ipyparallel.Client(info | {"curve_serverkey": wrong}, timeout=1)
    assert shared.alive()


def test_4_keys_stand_in_no_command_line(shared: EngineManager) -> None:
    info = connection_info(shared)
    secrets = [str(info[name]) for name in ("key", "curve_serverkey") if info[name]]
    assert secrets
    for process in tree(shared):
        command = " ".join(process.cmdline())
        assert not any(secret in command for secret in secrets)
        environment = Path(f"/proc/{process.pid}/environ")
        assert stat.S_IMODE(environment.stat().st_mode) == 0o400


def test_6_a_record_that_was_tampered_with_ends_no_other_process(profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as innocent:
        record = records.SessionRecord.of_this_session(folder)
        record.add([processes.ProcessRecord(innocent.pid, "boot/1", "controller")])
        assert record.stop() == [] and innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize(
    "name", ["../../precious", "security/../../precious", "/precious", "startup/precious"]
)
def test_6_a_record_that_was_tampered_with_removes_no_other_file(profile: str, name: str) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / "startup").mkdir(exist_ok=True)
    precious = [folder.parent / "precious", folder / "precious", folder / "startup" / "precious"]
    for file in precious:
        file.write_text("precious")
    record = records.SessionRecord.of_this_session(folder)
    record.files = [name]
    record.stop()
    assert all(file.exists() for file in precious)
    for file in precious:
        file.unlink()


def test_6_a_link_in_place_of_a_record_is_not_written_through(profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    precious = folder / "precious"
    precious.write_text("precious")
    record = records.SessionRecord.of_this_session(folder)
    me = processes.record_of(os.getpid(), "session")
    assert me is not None
    record.path.symlink_to(precious)
    record.add([me])
    assert precious.read_text() == "precious" and not record.path.is_symlink()
    record.path.unlink()


def test_7_engines_end_with_their_controller(shared: EngineManager) -> None:
    """An engine that lost its controller listens to nobody: it leaves after 20 s at most."""
    client = shared.connect()
    assert client is not None
    ask = "__import__('ipykernel.kernelapp').kernelapp.IPKernelApp._instance.parent"
    expression = f"({ask}.hb_check_period, {ask}.max_heartbeat_misses)"
    for period, misses in client[:].apply_sync(eval, expression):
        assert period * misses <= 20_000
    # It knows of the controller's pings by its own looks: no ping wakes its event loop.
    listener = f"{ask}._hb_listener"
    woken = f"{listener}.socket in {{fd for fd, _ in {listener}.io_loop.handlers.values()}}"
    assert not any(client[:].apply_sync(eval, woken))
    looks = f"({ask}._hb_last_monitored, {ask}._hb_last_pinged, {ask}._hb_missed_beats)"
    begin = max(look for look, *_ in client[:].apply_sync(eval, looks))
    wait_until(lambda: all(ping > begin for _, ping, _ in client[:].apply_sync(eval, looks)), 30)
