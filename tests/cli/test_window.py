"""``parallelflow gui`` opens VisTrails' window, and a signal ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from .conftest import ROOT, SECONDS, command, environment

# What the user's own session has when its window is being built.
STARTED = Path(".vistrails") / "startup.xml"

pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


def idle(pid: int) -> bool:
    """Whether a process does next to nothing for a second, as a window that waits for its user."""
    process = psutil.Process(pid)
    before = process.cpu_times().user
    time.sleep(1.0)
    return process.cpu_times().user - before < 0.05


def test_the_window_opens_and_ends_with_sigterm(tmp_path: Path) -> None:
    pytest.importorskip("PyQt5")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    own = {"HOME": os.fspath(tmp_path), "TMPDIR": os.fspath(temporary)}
    with subprocess.Popen(
        command("gui", ROOT / "docs" / "examples" / "digits_sweep.vt"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment(), **own, "QT_QPA_PLATFORM": "offscreen"},
    ) as window:
        try:
            deadline = time.monotonic() + SECONDS
            while not (tmp_path / STARTED).exists() or not idle(window.pid):
                assert window.poll() is None, window.communicate()[0]
                assert time.monotonic() < deadline
        finally:
            window.send_signal(signal.SIGTERM)
        output, _ = window.communicate(timeout=SECONDS)
    assert window.returncode == 128 + signal.SIGTERM, output
    # What VisTrails has unpacked, too; Qt keeps one file for each home, by which a second window
    # finds the first.
    assert [p.name for p in temporary.iterdir() if not p.name.startswith("qipc_")] == []
