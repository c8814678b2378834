"""``parallelflow check``: every part of this machine, fine or with what to do about it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parallelflow.cli import main
from parallelflow.cli.check import OLDEST_IPYPARALLEL, PYTHONS
from parallelflow.cli.trial import Trial
from parallelflow.engine_manager import get_manager
from parallelflow.engine_manager.connection.connection_files import connections
from parallelflow.engine_manager.system import profiles
from parallelflow.host.repairs import REPAIRS
from tests.support import json_tables
from tests.support.command import RunHere

from .conftest import ROOT, Run, environment


def findings(text: str) -> dict[str, str]:
    """Return the report's findings: text by the first two words, the state in front."""
    entries: list[str] = []
    for line in text.split("\n\n")[0].splitlines():
        assert len(line) <= 80 or " " not in line.strip(), line
        if line.startswith(" "):
            entries[-1] += " " + line.strip()
        else:
            entries.append(line)
    return {" ".join(entry[8:].split()[:2]): entry for entry in entries}


@pytest.fixture(scope="module")
def report(parallelflow: Run, running: str) -> subprocess.CompletedProcess[str]:
    """Return the report on this machine as it is, with a cluster that runs."""
    return parallelflow("check", env={**environment(), "QT_QPA_PLATFORM": "offscreen"})


def test_each_part_has_its_line(report: subprocess.CompletedProcess[str], running: str) -> None:
    result = report
    found = findings(result.stdout)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert any(f"fine    Python {version}" in line for line in found.values())
    for part in ("Linux ", "Parallel Flow", "VisTrails in", "PyQt5 with", "profile default:"):
        assert any(part in line for line in found.values()), part
    assert "fine    a cluster runs" in found[f"profile {running}:"].replace(
        f"profile {running}: ", ""
    )
    assert all(line.startswith(("fine    ", "note    ")) for line in found.values()), found
    assert "started to try it, computed an element" in found["an engine"]
    assert result.stdout.endswith("\n\nWorkflows can run in parallel here.\n")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_reader_that_has_enough_ends_it_as_any_other_command() -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m parallelflow check | head -1"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("fine    Python ") and done.stdout.count("\n") == 1
    assert (done.returncode, done.stderr) == (0, "")


def check_elsewhere(tmp_path: Path, change: str) -> str:
    """Return the report where something about this machine is another; no engine is tried."""
    code = (
        "import platform, sys; sys.modules['vistrails'] = sys.modules['ipyparallel'] = None\n"
        f"from argparse import Namespace\nfrom parallelflow.cli.check import check\n{change}\n"
        "sys.exit(check(Namespace(json=False, quiet=False)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stderr == "", result.stderr
    return " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("system", "told"),
    [("Darwin", "macOS 24.1"), ("Windows", "not interrupted"), ("FreeBSD", "FreeBSD 24.1")],
)
def test_a_system_that_is_not_tested_is_told(system: str, told: str, tmp_path: Path) -> None:
    text = check_elsewhere(
        tmp_path, f"platform.system = lambda: {system!r}; platform.release = lambda: '24.1'"
    )
    assert "24.1: the tests run on Linux alone" in text
    assert told in text


def test_a_linux_without_a_name(tmp_path: Path) -> None:
    missing = "def missing(): raise OSError\nplatform.freedesktop_os_release = missing"
    assert "fine an unknown distribution, Linux " in check_elsewhere(tmp_path, missing)


def test_a_python_that_is_not_tested_is_told(tmp_path: Path) -> None:
    text = check_elsewhere(tmp_path, "sys.version_info = (3, 99, 0, 'final', 0)")
    oldest, newest = (".".join(map(str, version)) for version in PYTHONS)
    assert f"the tests run on {oldest} to {newest}; take one of these" in text
    assert text.startswith("note Python ")


def test_a_python_without_the_global_lock_is_told(tmp_path: Path) -> None:
    text = check_elsewhere(tmp_path, "import sysconfig; sysconfig.get_config_var = lambda name: 1")
    assert text.startswith("note Python ") and "without the global lock" in text


def test_the_pythons_are_those_that_are_tested() -> None:
    newest = ".".join(map(str, PYTHONS[1]))
    for file in ("tools/test-pythons.sh", "tools/make-venv.sh", "setup.py", "README.md"):
        assert newest in (ROOT / file).read_text(), file
    assert f"Python :: {newest}" in (ROOT / "setup.py").read_text()
    assert f'"{newest}"' in (ROOT / "tests/pythons/test_pythons.py").read_text()


def test_every_repair_is_told_of_once(report: subprocess.CompletedProcess[str]) -> None:
    text = " ".join(report.stdout.split())
    listed = text[text.index("applied: ") : text.index(" PyQt5 with")]
    names = [word.strip(",") for word in listed.split()]
    for repair in REPAIRS:
        assert names.count(repair.name) == 1, repair.name
    applied = listed[: listed.index("applied when")]
    assert "elementtree" in applied and "import-hook" in applied


def test_a_python_without_vistrails(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['vistrails'] = None\n"
        "from parallelflow.cli import main; sys.exit(main(['check']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 1, result
    assert result.stderr == ""
    todo = [line for line in findings(result.stdout).values() if line.startswith("to do")]
    assert len(todo) == 1
    assert "finds no VisTrails" in todo[0] and "make run" in todo[0]
    assert result.stdout.endswith("\n1 thing to do before workflows run in parallel here.\n")


@pytest.fixture
def no_engine_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take it that an engine works, which others here see: it takes a second."""
    monkeypatch.setattr("parallelflow.cli.trial.run_one_element", lambda profile: Trial())


@pytest.mark.usefixtures("no_engine_tried")
def test_no_display_is_a_note(here: RunHere, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    result = here("check", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    json_tables.check("check", told)
    notes = [f["text"] for f in told["findings"] if f["state"] == "note"]
    assert told["ready"] and any("no window: There is no display" in text for text in notes)


@pytest.mark.usefixtures("no_engine_tried")
def test_a_connection_file_that_others_can_read(here: RunHere, running: str) -> None:
    (connection,) = connections(running)
    connection.path.chmod(0o644)
    try:
        result = here("check", "-q")
    finally:
        connection.path.chmod(0o600)
    assert result.returncode == 1
    assert f"to do   profile {running}: other users can read" in result.stdout
    assert "chmod 600" in result.stdout
    assert "fine" not in result.stdout and "things to do" not in result.stdout


@pytest.mark.own_cluster
def test_an_engine_that_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    manager = get_manager()
    before = manager.profile
    folder = profiles.ensure_folder("broken")
    (folder / "ipengine_config.py").write_text("raise SystemExit('this engine has enough')\n")
    manager.configure("broken")
    try:
        assert main(["check"]) == 1
    finally:
        manager.configure(before)
        shutil.rmtree(folder)
    out, error = capsys.readouterr()
    todo = [line for line in findings(out).values() if line.startswith("to do")]
    assert len(todo) == 1 and error == "", (out, error)
    assert "no element can be computed on an engine: The engine that was started" in todo[0]
    assert "1 ended at once" in todo[0] and "this engine has enough" in todo[0]
    assert out.endswith("\n1 thing to do before workflows run in parallel here.\n")


def test_the_oldest_ipyparallel_is_the_one_that_setup_asks_for() -> None:
    assert f'"ipyparallel>={OLDEST_IPYPARALLEL}"' in (ROOT / "setup.py").read_text()
