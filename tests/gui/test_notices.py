"""A long run that ends while another program is in front is told by the desktop."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from parallelflow.gui.notices import notice_of
from parallelflow.progress import Progress, RunState
from tests.host.run import LIMIT, ROOT

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = pytest.mark.gui


@pytest.mark.skipif(shutil.which("dbus-run-session") is None, reason="there is no dbus-run-session")
def test_the_desktops_service_is_asked_by_its_bus() -> None:
    done = subprocess.run(
        ["dbus-run-session", "--", sys.executable, "-m", "tests.gui.notice_session"],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stdout) == (0, "all as it should be\n"), done.stderr


def test_a_notice_names_the_run_what_came_of_it_and_the_workflow() -> None:
    run = Progress("digits", 200, RunState.CANCELLED, done=120, failed=3).snapshot()
    assert notice_of(run, "/home/me/digits_sweep.vt") == (
        "digits - cancelled",
        "digits_sweep.vt: 123 of 200 elements in 1 s, 3 failed.",
    )
