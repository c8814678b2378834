"""The check for processes left behind: it finds what has left its parent and its session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from tests.support import leaks
from tests.support.stale_segments import SEGMENTS, remove_stale_segments

ROOT = Path(__file__).resolve().parents[2]
# The fixtures of the real conftest, with less patience.
INNER_CONFTEST = """
from tests.support import leaks
leaks.GRACE_SECONDS = 0.2
from tests.conftest import *
"""

SLEEP = "import time; time.sleep(600)"
# The parent starts a sleeper in a session of its own, as a daemon would be, and ends at once.
ORPHAN = textwrap.dedent(
    f"""
    import subprocess, sys
    child = subprocess.Popen(
        [sys.executable, "-c", {SLEEP!r}],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    print(child.pid)
    """
)


def start_orphan() -> int:
    """Start a process that outlives its parent; return its pid."""
    done = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, check=True)
    return int(done.stdout)


def test_temporary_files_are_told_with_the_test_that_left_them(tmp_path: Path) -> None:
    files = leaks.TemporaryFiles(tmp_path)
    (tmp_path / "gone").touch()
    files.look("first")
    (tmp_path / "gone").unlink()
    (tmp_path / "left").mkdir()
    files.look("second")
    files.look("third")
    assert files.report() == "  left: since second"


@pytest.mark.own_cluster
def test_an_orphan_in_its_own_session_is_found_and_killed() -> None:
    run = os.environ[leaks.VARIABLE]
    before = leaks.processes_of(run)
    pid = start_orphan()
    try:
        left = leaks.wait_until_gone(run, known=before, seconds=0.2)
        assert [process.pid for process in left] == [pid]
        assert "time.sleep(600)" in leaks.report(left)
    finally:
        leaks.kill(leaks.processes_of(run) - before)
    assert not leaks.wait_until_gone(run, known=before)


def test_a_process_of_another_run_is_not_ours() -> None:
    other = subprocess.Popen(
        ["sleep", "600"], env={**os.environ, leaks.VARIABLE: "another"}, start_new_session=True
    )
    try:
        # The system shows the environment a moment after the process has begun.
        while not leaks._carries(other.pid, f"{leaks.VARIABLE}=another".encode()):
            time.sleep(0.01)
        assert not leaks._carries(
            other.pid, f"{leaks.VARIABLE}={os.environ[leaks.VARIABLE]}".encode()
        )
    finally:
        other.kill()
        other.wait()


def test_a_process_that_took_the_pid_over_is_not_killed() -> None:
    other = subprocess.Popen(["sleep", "600"])
    try:
        created = psutil.Process(other.pid).create_time()
        leaks.kill([leaks.Left(other.pid, created - 1, "an earlier one")])
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("marker", ["own_cluster", None])
def test_a_run_that_leaves_a_process_fails_and_names_it(tmp_path: Path, marker: str | None) -> None:
    (tmp_path / "conftest.py").write_text(INNER_CONFTEST, encoding="utf-8")
    mark = f"@pytest.mark.{marker}\n" if marker else ""
    (tmp_path / "test_inner.py").write_text(
        "import subprocess, sys, pytest\n"
        f"{mark}def test_that_forgets():\n"
        f"    subprocess.run([sys.executable, '-c', {ORPHAN!r}], check=True)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *["-p", "no:cacheprovider", "-p", "no:pytest-qt", "test_inner.py"],
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "1 error" in done.stdout
    where = "this test" if marker else "the tests"
    assert f"left behind by {where}, now killed:" in done.stdout
    assert "time.sleep(600)" in done.stdout


@pytest.mark.skipif(not SEGMENTS.exists(), reason="there is no list of shared memory")
def test_what_a_killed_window_leaves_in_shared_memory_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from PyQt5.QtCore import QSharedMemory\n"
        "memory = QSharedMemory(sys.argv[1])\n"
        "assert memory.create(1), memory.errorString()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    window = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "key")])
    assert window.wait(60) == -signal.SIGKILL
    remove_stale_segments()  # if the tests of another process have not done it
    makers = [int(line.split()[4]) for line in SEGMENTS.read_text().splitlines()[1:]]
    assert window.pid not in makers
