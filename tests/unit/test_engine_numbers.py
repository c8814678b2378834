"""More engines than there is room for: one clear line, exit code 2, nothing started."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from parallelflow import api, cli
from parallelflow.engine_manager import EngineManager, get_manager, manager
from parallelflow.engine_manager.connection.cluster_connection import ClusterConnection
from parallelflow.engine_manager.connection.engine_metadata import EngineMetadata
from parallelflow.engine_manager.launch import capacity
from parallelflow.engine_manager.provision import EngineProvisioner
from parallelflow.engine_manager.system import profiles, resources
from parallelflow.errors import ControllerFailed, TooManyEngines


@pytest.fixture(autouse=True)
def nothing_started(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(manager, "_manager", None)
    yield
    assert get_manager().started() == []
    get_manager().stop()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no engine fit into the memory of this machine, however large it is."""
    monkeypatch.setattr(capacity, "ENGINE_BYTES", 10**15)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(arguments) == 2
    out, error = capsys.readouterr()
    line, more = error.splitlines()
    assert out == "" and "More: parallelflow explain PF" in more
    return line.removeprefix("parallelflow: ")


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--launcher", "slurm", "--dry-run")])
def test_more_than_a_cluster_can_have(capsys: pytest.CaptureFixture[str], more: tuple[str]) -> None:
    line = told(capsys, "start", "-n", "99999999", *more)
    assert line == "99999999 engines are more than one cluster can have: at most 4096. Start fewer."


@pytest.mark.usefixtures("full")
def test_more_than_fit_into_memory(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "any.vt"
    file.write_text("<vistrail/>")
    for arguments in (["start", "-n", "2"], ["run", str(file), "--engines", "2"]):
        line = told(capsys, *arguments)
        assert line.startswith("2 engines do not fit into this machine's memory: an engine needs ")
        assert line.endswith(" GB are free, enough for 0. Start fewer, or end other programs.")


@pytest.mark.usefixtures("full")
def test_work_that_would_start_them(monkeypatch: pytest.MonkeyPatch) -> None:
    get_manager().configure(engines=2)
    with pytest.raises(TooManyEngines, match="2 engines do not fit"):
        api.parallel_map(abs, [1], ask=True)
    assert api.parallel_map(abs, [-1]) == [1]
    with pytest.raises(TooManyEngines, match="5000 engines are more than"):
        get_manager().start_engines(5000)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("said", "local"),
    [
        ("", True),
        ("c.Cluster.engine_launcher_class = 'local'", True),
        ("c.Cluster.engine_launcher_class = 'slurm'", False),
    ],
)
def test_only_engines_on_this_machine_need_its_memory(said: str, local: bool) -> None:
    folder = profiles.ensure_folder(f"memory-{len(said)}")
    (folder / "ipcluster_config.py").write_text(said)
    one = EngineManager(f"memory-{len(said)}")
    one.check_number(2, "slurm")
    with pytest.raises(TooManyEngines):
        one.check_number(2, "local")
    if local:
        with pytest.raises(TooManyEngines):
            one.check_number(2)
    else:
        one.check_number(2)
    one.check_number(1)  # is always tried


def test_the_number_for_free_cores_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineProvisioner, "free_cores", lambda self: 1000)
    free = psutil.virtual_memory().available + psutil.swap_memory().free
    monkeypatch.setattr(capacity, "ENGINE_BYTES", free // 4)
    assert 1 <= EngineManager("any").suggested_engines() < 100
    monkeypatch.setattr(capacity, "ENGINE_BYTES", 10**15)
    assert EngineManager("any").suggested_engines() == 1
    monkeypatch.setattr(capacity, "ENGINE_BYTES", 1)
    assert EngineManager("any").suggested_engines() == 1000


def test_an_engine_that_has_not_told_its_machine_is_counted_as_here() -> None:
    """Otherwise two starts at once give a core two engines."""
    client = SimpleNamespace(ids=[4, 0, 2, 3], _notification_handlers={})
    file = SimpleNamespace(path=Path("profile", "security", "ipcontroller-client.json"))
    connection = ClusterConnection(client, file, SimpleNamespace(main=None))  # type: ignore[arg-type]
    assert connection.count_here() == 4
    connection.facts[0] = facts = EngineMetadata(socket.gethostname(), *[""] * 7)  # type: ignore[arg-type]
    connection.facts[3] = dataclasses.replace(facts, host="another-machine")
    assert connection.count_here() == 3


def test_a_launcher_is_found_however_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for name in ("local", "LOCAL", " Local "):
        assert cli.main(["start", "-n", "2", "--dry-run", "--launcher", name]) == 0
        shown.append(capsys.readouterr())
    assert shown[0] == shown[1] == shown[2] and shown[0].err == ""
    for name, text in (
        ("x" * 5000, "There is no launcher 'xxx"),
        (" ", "' ' is no launcher; leave"),
    ):
        assert cli.main(["start", "-n", "2", "--dry-run", "--launcher", name]) == 2
        error = capsys.readouterr().err
        assert text in error and error.count("\n") == 1 and len(error) < 700


@pytest.mark.parametrize("folder", ["", "profile_default/security"])
def test_a_dry_run_leaves_the_profile_as_it_is(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "ipython"
    monkeypatch.setenv("IPYTHONDIR", str(home))
    if folder:
        (home / folder).mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    for name in ("local", "slurm", "ssh"):
        assert cli.main(["start", "-n", "1", "--dry-run", "--launcher", name]) == 0
    assert set(tmp_path.rglob("*")) == before


def test_the_launcher_is_taken_where_it_once_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["start", "-n", "2", "--dry-run", "--launcher", "lsf"]) == 0
    script = capsys.readouterr()
    assert cli.main(["start", "-n", "2", "--dry-run", "--engines", "lsf"]) == 0
    old = capsys.readouterr()
    assert old.out == script.out
    note = "parallelflow: the launcher is --launcher lsf; --engines is a number\n"
    assert old.err == note + script.err
    assert cli.main(["start", "--engines", "2", "--dry-run", "--launcher", "lsf"]) == 0
    assert capsys.readouterr().out == script.out
    for wrong in ("0", "-3"):
        assert cli.main(["start", f"--engines={wrong}", "--dry-run"]) == 2
        assert "is not a number of engines: 1 or more" in capsys.readouterr().err


def test_a_controller_of_many_engines_needs_more_open_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (100, 100))
    resources.check_open_files(8)
    with pytest.raises(ControllerFailed, match=r"may open 100 files here, and .* at least 190"):
        resources.check_open_files(64)
    # A controller that runs has limits of its own.
    monkeypatch.setattr("resource.prlimit", lambda pid, which: (70, 100))
    with pytest.raises(ControllerFailed, match=r"The controller that runs may open 70 .* least 78"):
        resources.check_open_files(8, os.getpid())
