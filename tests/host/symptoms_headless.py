"""Symptoms of Qt in a process that has no window."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.host.symptoms import symptom


def _end_of(code: str) -> int:
    """Return the exit code of a session that runs code, without a display."""
    of_displays = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    environment = {name: text for name, text in os.environ.items() if name not in of_displays}
    start = "from parallelflow import host\nhost.start_core()\n"
    command = [sys.executable, "-c", start + code]
    return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL).returncode


@symptom("widgets-without-window", r"AssertionError: -6")
def a_widget_raises() -> None:
    code = "from PyQt5.QtWidgets import QLabel\ntry: QLabel()\nexcept RuntimeError: pass"
    assert (end := _end_of(code)) == 0, end


@symptom("pictures-without-window", r"AssertionError: -6")
def what_draws_raises() -> None:
    begin = "from PyQt5 import QtGui, QtWidgets\ntry: "
    for what in ("QtGui.QPixmap()", "QtGui.QFontDatabase()", "QtWidgets.QApplication(['x'])"):
        assert (end := _end_of(f"{begin}{what}\nexcept RuntimeError: pass")) == 0, end
