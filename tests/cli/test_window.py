"""``parallelflow gui`` opens VisTrails' window, and a signal ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import ROOT, SECONDS, command, environment

# What the user's own session has when its window is being built.
STARTED = Path(".vistrails") / "startup.xml"

pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


def test_the_window_opens_and_ends_with_sigterm(tmp_path: Path) -> None:
    pytest.importorskip("PyQt5")
    with subprocess.Popen(
        command("gui", ROOT / "docs" / "examples" / "digits_sweep.vt"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment(), "HOME": os.fspath(tmp_path), "QT_QPA_PLATFORM": "offscreen"},
    ) as window:
        try:
            deadline = time.monotonic() + SECONDS
            while not (tmp_path / STARTED).exists():
                assert window.poll() is None, window.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(3.0)
            assert window.poll() is None, window.communicate()[0]
        finally:
            window.send_signal(signal.SIGTERM)
        output, _ = window.communicate(timeout=SECONDS)
    assert window.returncode == 128 + signal.SIGTERM, output
