"""A FIFO, device, socket, folder or bad link in the place of each file that the manager reads."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow import settings
from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.connection import connection_files as connections
from parallelflow.engine_manager.launch import controller_options as options
from parallelflow.engine_manager.launch.launchers import cluster_of
from parallelflow.engine_manager.system import jobs, lock, profiles, records
from parallelflow.engine_manager.system.processes import record_of
from parallelflow.errors import ConfigurationFailed, ProfileUnusable
from parallelflow.host import session_folder, user_modules
from tests.support.odd_files import KINDS, make_odd

from .sessions import running

# Whoever opens a FIFO without care waits for ever; everything here takes milliseconds.
AT_ONCE_SECONDS = 20

RECORD = "pid/parallelflow-host-1-00000000.json"
CLIENT = "security/ipcontroller-client.json"
CONFIGURATIONS = [
    f"{name}_config{suffix}"
    for name in ("ipython", "ipcluster", "ipcontroller")
    for suffix in (".py", ".json")
] + ["ipengine_config.py"]


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Fail instead of waiting for ever."""

    def too_late(*_: object) -> None:
        raise AssertionError(f"it was not refused within {AT_ONCE_SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(AT_ONCE_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_the_lock(profile: str, kind: str) -> None:
    folder = profiles.ensure_folder(profile)
    with (
        make_odd(folder / "pid" / "parallelflow.lock", kind),
        pytest.raises(ProfileUnusable, match=r"pid/parallelflow\.lock is (a|not)"),
        lock.profile_lock(folder),
    ):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_a_connection_file(
    manager: EngineManager, profile: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = profiles.ensure_folder(profile)
    with make_odd(folder / CLIENT, kind):
        assert connections.connections(profile) == [] and manager.connect() is None
    assert f"{folder / CLIENT} is a" in caplog.text and "Remove it." in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_a_session_record(
    manager: EngineManager, profile: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = profiles.ensure_folder(profile)
    with make_odd(folder / RECORD, kind):
        assert records.read_all(folder) == [] and manager.inventory().processes == ()
    assert f"{folder / RECORD} is a" in caplog.text and "Remove it." in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_the_file_of_a_cluster(profile: str, kind: str) -> None:
    folder = profiles.ensure_folder(profile)
    info = {"interface": "tcp://127.0.0.1", "registration": 9, "location": ""}
    (folder / CLIENT).write_text(json.dumps(info))
    with make_odd(folder / "security" / "cluster-.json", kind):
        (connection,) = connections.connections(profile)
        assert connection.announced_engines() == 0
    assert records.fingerprint(folder / CLIENT) != ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", CONFIGURATIONS)
def test_in_place_of_a_configuration(profile: str, kind: str, file: str) -> None:
    folder = profiles.ensure_folder(profile)
    with (
        make_odd(folder / file, kind),
        pytest.raises(ConfigurationFailed, match=rf"{file} cannot be read: it is a"),
    ):
        options.check_configuration(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_vistrails_configuration(home: Path, kind: str) -> None:
    (home / ".vistrails").mkdir(exist_ok=True)
    with make_odd(home / ".vistrails" / "startup.xml", kind):
        assert settings.settings() == settings.Settings()
        folder = user_modules.user_packages_folder()
        assert folder is None or folder.name == user_modules.PACKAGES


@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_a_session_folders_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "parallelflow-core-x"
    folder.mkdir(0o700)
    with make_odd(folder / "in-use", kind):
        assert session_folder.sweep_abandoned() == [] and folder.is_dir()


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "loop of links"])
def test_in_place_of_the_connection_file_of_an_engine(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "ipcontroller-engine.json"
    with make_odd(path, kind):
        module = "parallelflow.engine_manager.launch.engine_main"
        ended = subprocess.run(
            [sys.executable, "-m", module, str(path)], capture_output=True, text=True, check=False
        )
    assert ended.returncode != 0 and f"{path} is a" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_fifo_among_the_users_own_modules_is_not_copied(tmp_path: Path) -> None:
    tools = tmp_path / "from" / "CLTools"
    tools.mkdir(parents=True)
    (tools / "tool.clt").write_text("{}")
    os.mkfifo(tools / "fifo")
    (tools / "endless").symlink_to("/dev/zero")
    user_modules.copy_modules(tmp_path / "from", tmp_path / "to")
    assert [p.name for p in (tmp_path / "to" / "CLTools").iterdir()] == ["tool.clt"]


@pytest.mark.own_cluster
def test_a_cluster_starts_where_a_fifo_has_the_name_of_its_connection_file(
    manager: EngineManager, profile: str
) -> None:
    folder = profiles.ensure_folder(profile)
    os.mkfifo(folder / CLIENT)
    signal.alarm(120)
    manager.start_engines(1)
    assert (folder / CLIENT).is_file() and manager.stop() == [] and running(profile) == {}


@pytest.mark.own_cluster
def test_a_folder_with_the_name_of_a_connection_file_is_told(
    manager: EngineManager, profile: str
) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / CLIENT).mkdir()
    signal.alarm(120)
    with pytest.raises(ProfileUnusable, match=r"ipcontroller-client\.json.*Remove it"):
        manager.start_engines(1)
    assert running(profile) == {}


# -- numbers that nothing has ----------------------------------------------------------------


@pytest.mark.parametrize("number", [-1, 0, 2**31, 10**30, "x", None, 1.5])
def test_a_process_id_that_no_process_has_is_passed_over(
    profile: str, number: object, caplog: pytest.LogCaptureFixture
) -> None:
    folder = profiles.ensure_folder(profile)
    record = records.SessionRecord.of_this_session(folder)
    me = record_of(os.getpid(), "engine")
    assert me is not None
    record.add([me])
    fields = json.loads(record.path.read_text())
    fields["processes"][0]["pid"] = number
    record.path.write_text(json.dumps(fields))
    assert records.read_all(folder) == [] and "is damaged" in caplog.text
    record.path.unlink()


@pytest.mark.parametrize("seconds", ["nan", "inf", -1, 1e300])
def test_a_moment_that_no_clock_shows_is_passed_over(profile: str, seconds: object) -> None:
    folder = profiles.ensure_folder(profile)
    record = records.SessionRecord.of_this_session(folder)
    record.jobs = [jobs.JobRecord("job", "job 1", ("true",), 0.0)]
    record.write()
    fields = json.loads(record.path.read_text())
    fields["jobs"][0]["created"] = seconds
    record.path.write_text(json.dumps(fields))
    assert records.read_all(folder) == []
    record.path.unlink()


@pytest.mark.parametrize("port", [-1, 0, 65536, 10**30, "x", None, [1]])
def test_a_port_that_does_not_exist_is_passed_over(
    manager: EngineManager, profile: str, port: object
) -> None:
    folder = profiles.ensure_folder(profile)
    info = {"interface": "tcp://127.0.0.1", "registration": port, "location": ""}
    (folder / CLIENT).write_text(json.dumps(info))
    assert connections.connections(profile) == [] and manager.connect() is None


@pytest.mark.parametrize("file", [RECORD, CLIENT, "security/cluster-.json", "ipython_config.json"])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_nested_too_deeply_is_passed_over_or_told(
    manager: EngineManager, profile: str, file: str, text: str
) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    folder = profiles.ensure_folder(profile)
    (folder / file).write_text(text)
    assert manager.connect() is None and manager.inventory().processes == ()
    if file.endswith("_config.json"):
        with pytest.raises(ConfigurationFailed, match="cannot be read"):
            options.check_configuration(folder)


# -- configurations --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["ipython_config", "ipcluster_config", "ipcontroller_config", "ipengine_config"]
)
def test_a_syntax_error_in_a_configuration_is_told(profile: str, name: str) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / f"{name}.py").write_text("c = (\n")
    with pytest.raises(ConfigurationFailed, match=rf"{name}\.py cannot be read: SyntaxError"):
        options.check_configuration(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ipython_config.py", "c.Application.log_level = 'x'"),
        ("ipcluster_config.py", "c.Cluster.engine_timeout = 'x'"),
        ("ipython_config.py", "c.Cluster.n = 'x'"),
        ("ipcluster_config.py", "c.Cluster.controller_launcher_class = 'nosuch'"),
        ("ipcluster_config.json", '{"Cluster": {"n": "x"}}'),
        ("ipython_config.json", '{"Cluster": {"delay": []}}'),
    ],
)
def test_a_wrong_value_in_a_configuration_is_told_at_once(
    manager: EngineManager, profile: str, name: str, text: str
) -> None:
    (profiles.ensure_folder(profile) / name).write_text(text)
    with pytest.raises(ConfigurationFailed, match="has a value that is not taken: The '"):
        manager.start_engines(1)
    with pytest.raises(ConfigurationFailed, match="has a value that is not taken: The '"):
        cluster_of(profiles.ensure_folder(profile))
    assert manager.inventory().processes == ()


@pytest.mark.parametrize("name", ["ipython_config", "ipcluster_config", "ipcontroller_config"])
@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "exit()", "raise SystemExit"])
def test_a_configuration_that_ends_the_program_is_told(profile: str, name: str, code: str) -> None:
    folder = profiles.ensure_folder(profile)
    (folder / f"{name}.py").write_text(code)
    with pytest.raises(ConfigurationFailed, match=rf"{name}\.py cannot be read: "):
        options.check_configuration(folder)


@pytest.mark.own_cluster
@pytest.mark.parametrize("name", ["ipengine_config", "ipcontroller_config"])
def test_a_start_tells_which_configuration_has_ended_a_process(
    manager: EngineManager, profile: str, name: str
) -> None:
    signal.alarm(120)
    folder = profiles.ensure_folder(profile)
    (folder / f"{name}.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(Exception, match=rf"{name}\.py(, line 2 has ended the engine| cannot be)"):
        manager.start_engines(1)
    assert running(profile) == {}
