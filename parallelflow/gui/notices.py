"""Notices of the desktop: of a long run that has ended while another program is in front."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from PyQt5.QtCore import QMetaType, QObject, QTimer, QVariant
from PyQt5.QtGui import QGuiApplication, QIcon
from PyQt5.QtWidgets import QApplication, QStyle, QSystemTrayIcon

from parallelflow.progress import RunState, Snapshot
from parallelflow.settings import settings
from parallelflow.wording import count

from .wording import duration

__all__ = ["Notices", "notice_of"]

#: A run that took so long, and ends while nobody looks, is told by a notice; seconds.
LONG_SECONDS = 30.0
#: How long a notice is shown. A desktop's own settings override it.
SHOWN_MS = 15_000
#: A desktop may start its service for notices when the first one comes; the window does not wait.
ANSWER_MS = 20_000
#: https://specifications.freedesktop.org/notification-spec/latest/
SERVICE, PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
PROGRAM = "Parallel Flow"
ICONS = {RunState.FAILED: "dialog-error", RunState.CANCELLED: "dialog-warning"}

logger = logging.getLogger(__name__)


def notice_of(run: Snapshot, workflow: str = "") -> tuple[str, str]:
    """Return title and text of the notice that a run has ended.

    Parameters
    ----------
    run : Snapshot
        Of a run that is over.
    workflow : str
        The file of its workflow, empty if it has none.
    """
    where = f"{Path(workflow).name}: " if workflow else ""
    text = f"{run.done + run.failed} of {count(run.total, 'element')} in "
    text += duration(run.wall_seconds)
    if run.failed:
        text += f", {run.failed} failed"
    return f"{run.label} - {run.state.value}", f"{where}{text}."


def wanted(run: Snapshot) -> bool:
    """Return True if a run that has ended is told by a notice.

    Not if it was short, one of the application's windows is in front, or the user does not want it.
    """
    in_front = QApplication.activeWindow() is not None
    return run.wall_seconds >= LONG_SECONDS and not in_front and settings().desktopNotices


class Notices(QObject):
    """Shows notices by the desktop's service, else in its system tray, else nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self._tray: QSystemTrayIcon | None = None

    def show(self, run: Snapshot, workflow: str = "") -> None:
        """Show the notice that a run has ended; returns at once."""
        title, text = notice_of(run, workflow)
        icon = ICONS.get(run.state, "dialog-information")
        if not self._ask_service(title, text, icon):
            self.show_in_tray(title, text)

    def _ask_service(self, title: str, text: str, icon: str) -> bool:
        """Ask the desktop's service by D-Bus; return False if there is no bus to ask by."""
        if not _has_bus():
            return False
        try:
            from PyQt5.QtDBus import (
                QDBusArgument,
                QDBusConnection,
                QDBusMessage,
                QDBusPendingCallWatcher,
                QDBusPendingReply,
            )
        except ImportError:  # a PyQt5 that was built without it
            return False
        bus = QDBusConnection.sessionBus()
        if not bus.isConnected():
            return False
        replaces = QVariant(0)
        replaces.convert(QVariant.UInt)
        actions = QDBusArgument([], QMetaType.QStringList)
        call = QDBusMessage.createMethodCall(SERVICE, PATH, SERVICE, "Notify")
        call.setArguments([PROGRAM, replaces, icon, title, text, actions, {}, SHOWN_MS])
        watcher = QDBusPendingCallWatcher(bus.asyncCall(call, ANSWER_MS), self)

        def look(answered: QDBusPendingCallWatcher) -> None:
            reply = QDBusPendingReply(answered)
            if reply.isError():
                logger.debug("the desktop shows no notice: %s", reply.error().message())
                self.show_in_tray(title, text)
            answered.deleteLater()

        watcher.finished.connect(look)
        return True

    def show_in_tray(self, title: str, text: str) -> None:
        """Show a notice beside an icon among the desktop's own; nothing where there are none."""
        if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
            return
        if self._tray is None:
            self._tray = QSystemTrayIcon(_window_icon(), self)
            self._tray.setToolTip(PROGRAM)
        self._tray.show()
        self._tray.showMessage(title, text, _window_icon(), SHOWN_MS)
        # Else it would stay among the desktop's icons for as long as the window does.
        QTimer.singleShot(SHOWN_MS, self._tray.hide)

    def close(self) -> None:
        """Take the icon away."""
        if self._tray is not None:
            self._tray.hide()
            self._tray = None


def _has_bus() -> bool:
    """Return True if the user's desktop has a bus; asked for without one, Qt would start one."""
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return True
    folder = os.environ.get("XDG_RUNTIME_DIR")
    return bool(folder) and Path(folder or "", "bus").exists()


def _window_icon() -> QIcon:
    icon = QGuiApplication.windowIcon()
    if not icon.isNull():
        return icon
    style = QApplication.style()
    return style.standardIcon(QStyle.SP_MessageBoxInformation) if style is not None else QIcon()
