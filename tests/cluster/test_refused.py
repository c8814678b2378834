"""Starts that the system refuses: each is told in one line with what to do, and leaves nothing."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.system import profiles, resources
from parallelflow.errors import ControllerFailed
from tests.support import namespaces

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.own_cluster

# A deadlock guard: nothing, or a controller and an engine, is started.
SECONDS = 120

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a home that no other test has, in a folder that other users can pass."""
    with tempfile.TemporaryDirectory(prefix="pf-home-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        home.mkdir(0o700)
        yield home


@pytest.fixture
def start(place: Path) -> Run:
    """Run ``parallelflow`` in that home; everything that it started is gone after it."""

    def run(
        *arguments: str, wrap: Callable[..., list[str]] | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "parallelflow", *(arguments or ("start", "-n", "1"))]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "HOME": str(place), "PYTHONPATH": path}
        environment |= {"IPYTHONDIR": str(place / ".ipython"), **more}
        return subprocess.run(
            wrap(*command) if wrap else command,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run


@functools.cache
def as_nobody_with_python() -> list[str]:
    """Return what begins a command of another user, or skip where that one has no Python."""
    # Python may be in a folder that others cannot enter, such as root's home.
    reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    begin = [*namespaces.as_nobody(), *reads]
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    probe = [*begin, sys.executable, "-c", f"import parallelflow, vistrails; {child}"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("other users cannot run this Python")
    return begin


def told(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the line that a command has ended with; it is the only one but for the reference."""
    assert ended.returncode in (1, 2), ended
    assert "Traceback" not in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("parallelflow: ")]
    assert len(lines) == 2 and lines[1].startswith("parallelflow: More: "), ended.stderr
    assert ended.stdout == ""
    return lines[0]


@pytest.mark.parametrize("there", [True, False])
def test_a_home_that_cannot_be_written(place: Path, start: Run, there: bool) -> None:
    if there:
        (place / ".ipython").mkdir()

    def wrap(*command: str) -> list[str]:
        return namespaces.mounted(namespaces.read_only(place), *command)

    line = told(start(wrap=wrap))
    assert "The folder of the profile 'default' cannot be used" in line
    assert "Read-only file system" in line and "correct its permissions" in line
    # What only looks has nothing against it.
    for command in ("profiles", "info"):
        ended = start(command, wrap=wrap)
        assert ended.returncode == (1 if command == "info" else 0) and ended.stderr == ""
        assert str(place / ".ipython") in ended.stdout or command == "info"
    ended = start("check", wrap=wrap)
    assert "cannot be written, so no engines" in " ".join(ended.stdout.split())


def test_a_home_of_another_user(place: Path, start: Run) -> None:
    begin = namespaces.as_nobody()
    probe = [*begin, sys.executable, "-c", "import parallelflow"]
    if subprocess.run(probe, capture_output=True, check=False, cwd=ROOT).returncode != 0:
        pytest.skip("other users cannot read this checkout")
    for mode in (0o755, 0o700):
        place.chmod(mode)
        assert "Permission denied" in told(start(wrap=lambda *command: [*begin, *command]))


def test_a_file_in_place_of_the_folder_of_profiles(place: Path, start: Run) -> None:
    (place / ".ipython").write_text("")
    assert f"{place / '.ipython'} is not a folder" in told(start())


def test_a_full_disk(place: Path, start: Run) -> None:
    line = told(start(wrap=lambda *c: namespaces.mounted(namespaces.full(place, 64), *c)))
    assert "No space left on device" in line and "Free some space" in line
    assert "ipyparallel" not in line.partition("More")[0].replace("parallelflow", "")


@pytest.mark.parametrize("left", [12, 24])
def test_a_disk_that_gets_full_while_engines_start(place: Path, start: Run, left: int) -> None:
    ended = start(wrap=lambda *c: namespaces.mounted(namespaces.full(place, 128, left), *c))
    line = next(line for line in ended.stderr.splitlines() if line.startswith("parallelflow: "))
    assert ended.returncode in (1, 2) and "Traceback" not in line, ended.stderr
    assert "installed completely" not in ended.stderr


def test_no_loopback(start: Run) -> None:
    line = told(start(wrap=lambda *command: [*namespaces.in_namespace("--net"), *command]))
    assert "cannot reach each other at 127.0.0.1" in line and "ip link set lo up" in line


@pytest.mark.parametrize("limit", [16, 24, 40, 63])
def test_too_few_open_files(start: Run, limit: int) -> None:
    script = f'ulimit -n {limit}; exec "$@"'
    line = told(start(wrap=lambda *command: ["sh", "-c", script, "sh", *command]))
    assert "ulimit -n" in line and "files" in line


@pytest.mark.parametrize("number", [1, 3, 4, 6, 8, 14, 20, 30, 45])
def test_too_few_processes(place: Path, start: Run, number: int) -> None:
    """The limit is nothing to root, and counts threads."""
    begin = as_nobody_with_python()
    os.chown(place, namespaces.NOBODY, namespaces.NOBODY)
    limit = ["prlimit", f"--nproc={number}"]
    line = told(start(wrap=lambda *command: [*limit, *begin, *command]))
    assert ("ulimit -u" in line and f"have {number} processes" in line) or number < 4
    assert "is installed completely" not in line


@pytest.mark.parametrize("name", ["a$HOME", "${HOME}", "$PATH"])
def test_a_folder_of_profiles_with_a_variable_in_its_name(
    place: Path, start: Run, name: str
) -> None:
    folder = place / name
    folder.mkdir()
    line = told(start(IPYTHONDIR=str(folder)))
    assert f"{folder}, cannot be used: IPython takes the '$'" in line and "IPYTHONDIR" in line
    assert list(folder.iterdir()) == []


def test_what_to_do_follows_from_the_systems_own_reason() -> None:
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError as e:
            raise RuntimeError("it failed") from e
    except RuntimeError as e:
        assert resources.what_to_do(e, "something else") == "Free some space on the disk."
    assert resources.what_to_do(RuntimeError("x"), "something else") == "something else"
    no_thread = RuntimeError("can't start new thread")
    assert "limit of processes" in resources.what_to_do(no_thread, "something else")


def test_what_runs_on_a_profile_that_gets_read_only_is_still_used(
    manager: EngineManager, profile: str, tmp_path: Path
) -> None:
    manager.start_engines(1)
    manager.leave_running()
    code = (
        "from parallelflow.engine_manager import EngineManager\n"
        f"client = EngineManager({profile!r}).connect()\n"
        "print(client[:].apply_sync(abs, -1))\n"
    )
    script = namespaces.read_only(profiles.profile_folder(profile).parent)
    command = namespaces.mounted(script, sys.executable, "-c", code)
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("[1]\n", ""), ended
    assert list(tmp_path.iterdir()) == []


def test_a_controller_of_ours_that_does_not_answer_is_told_as_ours(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parallelflow.engine_manager.cluster import Cluster

    connect_to = Cluster.connect_to

    def connect_to_stopped(self: Cluster, file: Any, _: float) -> Any:
        assert self.session is not None
        for process in self.session.record.processes:
            if process.kind == "controller":
                tree = psutil.Process(process.pid)
                for each in (tree, *tree.children(recursive=True)):
                    each.suspend()
        return connect_to(self, file, 1.0)

    monkeypatch.setattr(Cluster, "connect_to", connect_to_stopped)
    with pytest.raises(ControllerFailed, match=r"has started but does not answer at 127\.0\.0\.1"):
        manager.start_engines(1)
