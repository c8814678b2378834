"""Whether a window can be opened here, and how signals reach one.

The only file of this folder, beside the repairs of Qt, that imports PyQt5; within
functions, in a process that opens the window.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from ..errors import WindowUnavailable
from ..system import forks

#: Seconds for a child process to import Qt and connect to the display. It takes a quarter of a
#: second; a display at the end of a slow network takes longer.
_PROBE_LIMIT = 60.0

_PROBE = "from PyQt5.QtWidgets import QApplication; QApplication(['probe'])"

_LIBRARIES = (
    "On Debian: 'apt-get install libgl1 libegl1 libdbus-1-3 libxkbcommon-x11-0 libxcb-icccm4 "
    "libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0'."
)


def qt_version() -> str:
    """Return the version of Qt that PyQt5 uses, e.g. "5.15.14"."""
    return str(importlib.import_module("PyQt5.QtCore").QT_VERSION_STR)


def check() -> None:
    """Check that PyQt5 works and that it reaches a display.

    Qt ends the whole process when it does not, so a child process tries.

    Raises
    ------
    WindowUnavailable
        Saying what is missing.
    """
    if importlib.util.find_spec("PyQt5") is None:
        raise WindowUnavailable(
            "VisTrails' window needs PyQt5, which this Python does not have. Install it with "
            f"'{sys.executable} -m pip install PyQt5'. 'parallelflow run' needs no window."
        )
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise WindowUnavailable(
            f"The display does not answer within {_PROBE_LIMIT:.0f} seconds. Is DISPLAY "
            f"({os.environ.get('DISPLAY', 'not set')}) the one you see?"
        ) from None
    if probe.returncode != 0:
        raise WindowUnavailable(_explain(probe.stderr))


def _explain(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any("cannot open shared object" in line for line in lines):
        missing = next(line for line in lines if "cannot open shared object" in line)
        return f"PyQt5 lacks a library of the system ({missing}). {_LIBRARIES}"
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return (
            "There is no display to open a window on. Log in to a desktop, or use 'ssh -X'; "
            "'parallelflow run' needs no window."
        )
    # Qt's last lines are general advice; its first one says what it met.
    met = lines[0] if lines else "it ended without a word"
    lacks_library = "even though it was found" in said and "could not connect" not in said
    advice = f" {_LIBRARIES}" if lacks_library else ""
    return f"Qt cannot open a window here: {met}.{advice}"


class SignalWatch:
    """Lets SIGINT, SIGTERM and SIGHUP end the window's event loop.

    Qt's loop runs no Python code while nothing happens, and so no signal handlers: the
    interpreter is made to write to a socket that the loop watches.

    Parameters
    ----------
    leave : callable
        Called with the exit code when a signal comes before there is an event loop; ends the
        process. An exception would do it in most runs: raised while Qt calls Python in the
        middle of building the window, it crashes the process in one of twenty.

    Attributes
    ----------
    exit_code : int or None
        128 + the signal's number, once one has come.
    """

    def __init__(self, leave: Callable[[int], NoReturn]) -> None:
        self.exit_code: int | None = None
        self._end_at_once = leave
        self._written, self._watched = socket.socketpair()
        for end in (self._written, self._watched):
            end.setblocking(False)
        self._notifier: Any = None
        for number in forks.SIGNALS:
            before = signal.signal(number, self._receive)
            forks.keep_from_children(number, self._receive, before)
        forks.keep_wakeup_from_children(self._written.fileno())
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)

    def join_event_loop(self) -> None:
        """Make the application's event loop watch too; from then on a signal ends the loop."""
        core = importlib.import_module("PyQt5.QtCore")
        notifier = core.QSocketNotifier(self._watched.fileno(), core.QSocketNotifier.Read)
        # Reading is all there is to do: Python runs its handlers as soon as it runs anything.
        notifier.activated.connect(lambda *_: self._watched.recv(64))
        self._notifier = notifier

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = 128 + number
        if self._notifier is None:
            self._end_at_once(self.exit_code)
        core = importlib.import_module("PyQt5.QtCore")
        core.QCoreApplication.exit(self.exit_code)
