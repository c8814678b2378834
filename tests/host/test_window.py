"""VisTrails' real window, opened by `run_window` in a process of its own, on no screen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from tests.host.run import LIMIT, ROOT, run_python
from tests.support.fork_server import ForkServer
from tests.support.home import LARGE_PACKAGES, disable_packages
from tests.support.stale_segments import segments

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}


def start(home: Path, *steps: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.host.window_scenario", *steps],
        cwd=ROOT,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def walk(windows: ForkServer | None, home: Path, *steps: str) -> str:
    """Open the window, take the steps and quit by the menu; return what came on stderr.

    It is forked from a process with its libraries, or started anew if there is none.
    """
    if windows is not None:
        done = windows.run("tests.host.window_scenario", steps, environment(home), LIMIT)
        code, out, err = done.returncode, done.stdout, done.stderr
    else:
        process = start(home, *steps)
        try:
            out, err = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
        code = process.returncode
    assert code == 0, f"{out}\n{err}"
    names = list(steps[: steps.index("quit_by_menu")])
    passed = [line.removeprefix("passed ") for line in out.splitlines() if "passed " in line]
    assert passed == names, f"{out}\n{err}"
    return err


def startup_lists(home: Path) -> tuple[set[str], set[str]]:
    """Return the packages enabled and disabled in a user's configuration."""
    root = xml.etree.ElementTree.parse(home / ".vistrails" / "startup.xml").getroot()
    enabled, disabled = (
        {package.get("name", "") for package in root.findall(f"./{kind}/package")}
        for kind in ("packages", "disabledpackages")
    )
    return enabled, disabled


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a user who has had the window open once."""
    home = tmp_path_factory.mktemp("user")
    walk(None, home, "ours_is_enabled", "quit_by_menu")
    disable_packages(home, *LARGE_PACKAGES)
    return home


def test_the_first_start_enables_ours_and_asks_nothing(home: Path) -> None:
    enabled, _ = startup_lists(home)
    assert {"parallelflow", "controlflow", "basic_modules"} <= enabled


def test_a_walk_through_the_window_meets_no_fault(home: Path, windows: ForkServer) -> None:
    err = walk(
        windows,
        home,
        "ours_is_enabled",
        "build_a_workflow",
        "relayout",
        "execute",
        "look_at_all_views",
        "edit_a_source",
        "show_parameters_on_the_modules",
        "read_a_message",
        "disable_and_enable_in_preferences",
        "save",
        "quit_by_menu",
    )
    # VisTrails prints what goes wrong in its notifications, and goes on.
    assert "Traceback" not in err
    assert "TypeError" not in err


def test_a_figure_is_shown_in_the_spreadsheet(
    home: Path, tmp_path: Path, windows: ForkServer
) -> None:
    pytest.importorskip("matplotlib", reason="VisTrails' package matplotlib needs it")
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    walk(windows, tmp_path, "show_a_figure_in_the_spreadsheet", "save", "quit_by_menu")


def test_a_file_is_opened_and_who_disables_ours_keeps_it_disabled(
    home: Path, windows: ForkServer
) -> None:
    if not (home / "saved.vt").exists():
        walk(windows, home, "build_a_workflow", "execute", "save", "quit_by_menu")
    steps = ["a_vistrail_is_open", "disable_in_preferences", "quit_by_menu"]
    walk(windows, home, *steps, "--", str(home / "saved.vt"))
    enabled, disabled = startup_lists(home)
    assert "parallelflow" in disabled and "parallelflow" not in enabled
    end_by_signal(home, signal.SIGTERM, "ours_is_disabled")


def test_signals_end_the_idle_window_and_a_kill_leaves_nothing_in_the_way(home: Path) -> None:
    end_by_signal(home, signal.SIGKILL)
    err = end_by_signal(home, signal.SIGINT)
    assert "Traceback" not in err
    assert "single instance" not in err


def end_by_signal(home: Path, number: signal.Signals, *steps: str) -> str:
    process = start(home, *steps, "wait")
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in (*steps, "wait")]
        assert lines[-1] == "waiting\n", lines
        process.send_signal(number)
        _, err = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    # Killed, it cannot choose its exit code.
    expected = -number if number == signal.SIGKILL else 128 + number
    assert process.returncode == expected, err
    return err


def test_no_shared_memory_is_left_of_a_window_that_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from PyQt5.QtCore import QCoreApplication, QSharedMemory\n"
        "from parallelflow.host.window import remove_shared_memory\n"
        "app = QCoreApplication([])\n"
        "app.shared_memory = QSharedMemory(sys.argv[1])\n"
        "assert app.shared_memory.create(1)\n"
        "remove_shared_memory()\n"
        "os._exit(0)\n"
    )
    window = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "key")])
    assert window.wait(LIMIT) == 0
    assert not [each for each in segments() if each["cpid"] == window.pid]


@pytest.mark.parametrize(
    ("prepare", "environment", "says"),
    [
        (
            "import sys; sys.modules['PyQt5'] = None",
            {},
            "needs PyQt5",
        ),
        ("", {"QT_QPA_PLATFORM": "xcb", "DISPLAY": ""}, "no display"),
        ("", {"QT_QPA_PLATFORM": "xcb", "DISPLAY": ":77"}, "could not connect to display :77"),
        ("", {"QT_QPA_PLATFORM": "nonsense", "DISPLAY": ":1"}, "nonsense"),
    ],
    ids=["no-pyqt", "no-display", "other-display", "no-plugin"],
)
def test_a_window_that_cannot_open_is_one_clear_error(
    prepare: str, environment: dict[str, str], says: str
) -> None:
    said = run_python(
        f"""
        {prepare}
        from parallelflow import host
        from parallelflow.errors import WindowUnavailable
        try:
            host.run_window([])
        except WindowUnavailable as error:
            print(error)
        """,
        environment=environment,
    )
    assert says in said
    assert "Traceback" not in said
