"""What other users of the machine put in our way; claims 2 and 8 of docs/security.md."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.interaction import ConsoleInteraction
from parallelflow.engine_manager.system import profiles, records
from parallelflow.engine_manager.system.processes import record_of
from parallelflow.host import session_folder
from tests.support import namespaces

# A deadlock guard: VisTrails' core starts once.
SECONDS = 120


class Hears(ConsoleInteraction):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, message: str) -> None:
        self.told.append(message)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder for temporary files that all users can write, as ``/tmp``."""
    folder = Path(tempfile.mkdtemp(prefix="pf-shared-", dir="/tmp"))
    folder.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def plant(shared: Path, script: str) -> None:
    """Run a shell script as another user, in the shared folder."""
    subprocess.run([*namespaces.as_nobody(), "sh", "-ec", script], cwd=shared, check=True)


TRAPS = {
    "fifo": "mkfifo parallelflow-core-x/in-use",
    "file": ": > parallelflow-core-x/in-use",
    "link to a file of ours": "ln -s {ours}/in-use parallelflow-core-x/in-use",
    "link to a device": "ln -s /dev/zero parallelflow-core-x/in-use",
    "link in place of the folder": "rmdir parallelflow-core-x; ln -s {ours} parallelflow-core-x",
    "folder": "mkdir parallelflow-core-x/in-use",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_8_what_others_put_into_the_shared_folder_is_left_alone(shared: Path, trap: str) -> None:
    ours = shared / "ours"
    ours.mkdir(0o700)
    (ours / "in-use").write_text("precious")
    plant(shared, "mkdir -m 777 parallelflow-core-x\n" + TRAPS[trap].format(ours=ours))
    code = "from parallelflow.host import session_folder as s; print(s.sweep_abandoned())"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.stdout == "[]\n", ended.stderr
    assert (ours / "in-use").read_text() == "precious"
    assert os.path.lexists(shared / "parallelflow-core-x")


def test_8_a_start_of_vistrails_does_not_wait_for_a_fifo(shared: Path) -> None:
    plant(shared, "mkdir parallelflow-core-x; mkfifo parallelflow-core-x/in-use")
    code = "from parallelflow.host import start_core; start_core(); print('started')"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.stdout.endswith("started\n"), ended.stderr
    assert [p.name for p in shared.iterdir()] == ["parallelflow-core-x"]


def test_8_a_folder_of_ours_that_a_killed_session_left_is_removed(shared: Path) -> None:
    left = shared / "parallelflow-core-left"
    left.mkdir(0o700)
    (left / "in-use").write_text("")
    open_to_all = shared / "parallelflow-core-open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (open_to_all / "in-use").write_text("")
    assert session_folder.sweep_abandoned() == [left]
    assert not left.exists() and open_to_all.exists()


# -- umask -----------------------------------------------------------------------------------


@pytest.mark.own_cluster
@pytest.mark.parametrize("mask", [0o000, 0o002])
def test_2_everything_that_is_made_is_private_at_any_umask(tmp_path: Path, mask: int) -> None:
    code = (
        "import os, sys\n"
        f"os.umask({mask})\n"
        "from pathlib import Path\n"
        "from parallelflow.engine_manager import EngineManager\n"
        "manager = EngineManager()\n"
        "manager.start_engines(1)\n"
        "for path in sorted(Path(os.environ['HOME']).rglob('*')):\n"
        "    print(oct(path.stat().st_mode & 0o077), path)\n"
        "manager.stop()\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "a" / "b")}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment,
        check=True,
    )
    lines = [line.partition(" ") for line in ended.stdout.splitlines()]
    found = {path: mode for mode, _, path in lines}
    folder = tmp_path / "a" / "b" / "profile_default"
    for name in ("", "security", "pid", "log", "startup", "pid/parallelflow.lock"):
        assert found[str(folder / name)] == "0o0", name
    assert {found[str(p)] for p in (folder.parent, folder.parent.parent)} == {"0o0"}
    keys = [mode for path, mode in found.items() if "/security/ipcontroller" in path]
    assert keys == ["0o0", "0o0"]
    # IPython writes its examples, which nobody reads but people.
    written = {path: mode for path, mode in found.items() if Path(path).suffix in (".json", ".log")}
    assert any("/log/engines" in path for path in written)
    assert any("/security/cluster-" in path for path in written)
    assert set(written.values()) == {"0o0"}, written


def test_2_a_profile_that_others_can_change_is_told_with_the_command_that_mends_it(
    manager: EngineManager, profile: str
) -> None:
    folder = profiles.ensure_folder(profile)
    assert profiles.open_to_change(profile) == []
    config = folder / "ipcontroller_config.py"
    config.write_text("")
    for path in (folder, folder / "startup", config):
        path.chmod(0o777)
    lines = profiles.open_to_change(profile)
    assert len(lines) == 3
    for line, path in zip(lines, (folder, folder / "startup", config), strict=True):
        assert line.startswith(f"other users can change {path}, and so run programs as you")
        command = line.rpartition("(")[2].rstrip(")")
        assert command == f"chmod go-w {path}"
        subprocess.run(command, shell=True, check=True)
    assert profiles.open_to_change(profile) == []


@pytest.mark.own_cluster
def test_2_a_start_on_such_a_profile_tells_it(manager: EngineManager, profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    folder.chmod(0o777)
    manager.interaction = hears = Hears()
    manager.start_engines(1)
    assert [line for line in hears.told if f"chmod go-w {folder}" in line] == hears.told != []
    assert any("chmod go-w" in warning for warning in manager.info().warnings)


def test_2_a_profile_of_another_user_is_told(profile: str) -> None:
    namespaces.as_nobody()
    folder = profiles.ensure_folder(profile)
    os.chown(folder, namespaces.NOBODY, namespaces.NOBODY)
    (line,) = profiles.open_to_change(profile)
    assert "sudo chown $USER" in line and str(folder) in line
    os.chown(folder, 0, 0)


# -- records ---------------------------------------------------------------------------------


def test_6_a_link_in_place_of_a_records_new_file_is_not_written_through(profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    precious = folder / "precious"
    precious.write_text("precious")
    record = records.SessionRecord.of_this_session(folder)
    for name in (f"{record.path.stem}.new", f"{record.path.name}.new"):
        (folder / "pid" / name).symlink_to(precious)
    me = record_of(os.getpid(), "session")
    assert me is not None
    record.add([me])
    assert precious.read_text() == "precious"
    assert stat.S_IMODE(record.path.stat().st_mode) == 0o600
    record.processes = []
    record.write()


def test_what_a_session_left_that_was_killed_while_it_wrote_is_removed(
    manager: EngineManager, profile: str
) -> None:
    folder = profiles.ensure_folder(profile)
    old, new = (folder / "pid" / f"parallelflow-host-1-{n}.json.abcd.new" for n in (1, 2))
    for path in (old, new):
        path.write_text("{")
    day = time.time() - 24 * 3600
    os.utime(old, (day, day))
    assert manager.connect() is None
    assert not old.exists() and new.exists()
