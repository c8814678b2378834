"""``make test-fresh``: whatever ends it leaves nothing, and what it lacks is said.

The systems themselves are tried by that command, which takes the network and half an hour for
each. Here something else stands in the place of debootstrap, and the rest is real.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tools" / "test_fresh.py"
LIMIT = 60.0


def has_namespaces() -> bool:
    """Return True if processes can have mounts of their own here: in a chroot they cannot."""
    programs = ("unshare", "setpriv", "mount", "pivot_root")
    if os.geteuid() != 0 or not all(map(shutil.which, programs)):
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


needs_root = pytest.mark.skipif(not has_namespaces(), reason="needs root and unshare --mount")

# Like debootstrap it mounts, and is busy when the end comes; one of its processes has a
# session of its own, which no signal to a group reaches.
BUSY = """#!/bin/sh
for last; do :; done
mkdir -p "$TMPDIR/mounted"
mount -t tmpfs tmpfs "$TMPDIR/mounted" || exit 1
setsid sleep 7654321 &
echo $$ started
sleep 7654321
"""
BROKEN = "#!/bin/sh\necho 'E: no such suite'; exit 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    for name in ("bin", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "keys.gpg").touch()
    yield tmp_path


def start(folder: Path, script: str) -> subprocess.Popen[str]:
    program = folder / "bin" / "debootstrap"
    program.write_text(script)
    program.chmod(0o755)
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), "ubuntu-24.04"],
        env={
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "TMPDIR": str(folder / "tmp"),
            "KEYRING_UBUNTU": str(folder / "keys.gpg"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Ctrl-C is not ignored, even where pytest runs in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )


def running_below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def wait_for_start(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if "started" in line:
            return
    pytest.fail("it ended early")


@needs_root
@pytest.mark.own_cluster
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_whatever_ends_it_leaves_nothing(name: str, folder: Path) -> None:
    number = getattr(signal, name)
    process = start(folder, BUSY)
    wait_for_start(process)
    below = running_below(process.pid)
    assert len(below) >= 3, below  # unshare, the script, and what it runs
    process.send_signal(number)
    process.communicate(timeout=LIMIT)
    assert process.returncode == (-number if name == "SIGKILL" else 128 + number)
    deadline = time.monotonic() + LIMIT
    while any(p.is_running() for p in below):  # after SIGKILL the kernel ends them, soon
        assert time.monotonic() < deadline, [p for p in below if p.is_running()]
        time.sleep(0.05)
    assert str(folder) not in Path("/proc/self/mounts").read_text()
    if name == "SIGKILL":
        assert list((folder / "tmp").glob("parallelflow-fresh-*"))
        text, _ = start(folder, BROKEN).communicate(timeout=LIMIT)
        assert "skipped: debootstrap cannot make it here: E: no such suite" in text
    assert not list((folder / "tmp").glob("parallelflow-fresh-*"))


@needs_root
def test_a_folder_in_use_is_left_alone(folder: Path) -> None:
    process = start(folder, BUSY)
    wait_for_start(process)
    before = list((folder / "tmp").glob("parallelflow-fresh-*"))
    start(folder, BROKEN).communicate(timeout=LIMIT)
    assert list((folder / "tmp").glob("parallelflow-fresh-*")) == before != []
    process.terminate()
    process.communicate(timeout=LIMIT)


@needs_root
def test_a_system_that_cannot_be_made_is_skipped(folder: Path) -> None:
    process = start(folder, BROKEN)
    text, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 77
    assert "ubuntu-24.04" in text.split("== in short")[1]
    assert "skipped: debootstrap cannot make it here: E: no such suite" in text


def test_what_is_missing_is_said(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(PROGRAM), "debian-13"],
        env={**os.environ, "PATH": str(folder / "bin")},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert result.returncode == 77, result
    root = os.geteuid() == 0
    told = "there is no debootstrap here: apt-get install" if root else "it takes root's rights"
    assert f"skipped: {told}" in result.stdout


def test_an_unknown_system_is_an_error() -> None:
    result = subprocess.run(
        [sys.executable, str(PROGRAM), "debian-1"], capture_output=True, text=True, timeout=LIMIT
    )
    assert result.returncode == 2
    assert "unknown system 'debian-1'; there are debian-12" in result.stderr
