"""Runs that end while nobody looks, and a desktop's service for notices; run as a program.

It is run by `dbus-run-session`, which gives it a bus of its own. The service has a connection of
its own, so what it gets has been through the bus.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import Q_CLASSINFO, QObject, pyqtSlot
from PyQt5.QtDBus import QDBusConnection
from PyQt5.QtWidgets import QApplication, QWidget

from parallelflow import settings
from parallelflow.gui import notices
from parallelflow.gui.runs_session import RunsSession
from parallelflow.progress import Progress, RunState
from tests.support.waiting import wait_until


class Service(QObject):
    """Takes notices as a desktop does."""

    Q_CLASSINFO("D-Bus Interface", notices.SERVICE)

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[Any, ...]] = []

    @pyqtSlot(str, "uint", str, str, str, "QStringList", "QVariantMap", int, result="uint")
    def Notify(self, *notice: Any) -> int:
        """Take one; the name is the specification's."""
        self.shown.append(notice)
        return len(self.shown)


def run(label: str, state: RunState = RunState.DONE, failed: int = 0) -> None:
    """Let a run end, and the session take note of it."""
    progress = Progress(label, 5)
    progress.remember()
    progress.state, progress.failed, progress.done = state, failed, 5 - failed
    progress.announce()
    QApplication.processEvents()


def main() -> None:
    """Let runs end, and check what the service has been given."""
    app = QApplication([])
    service = Service()
    bus = QDBusConnection.connectToBus(QDBusConnection.SessionBus, "the desktop's")
    exported = QDBusConnection.ExportAllSlots
    assert bus.registerObject(notices.PATH, service, exported), bus.lastError().message()
    assert bus.registerService(notices.SERVICE), bus.lastError().message()

    def until(condition: Callable[[], bool]) -> None:
        def look() -> bool:
            app.processEvents()
            return condition()

        wait_until(look)

    session = RunsSession()
    run("short")
    notices.LONG_SECONDS = 0.0
    run("a Map")
    until(lambda: bool(service.shown))
    program, replaces, icon, title, text, actions, hints, milliseconds = service.shown[0]
    assert (program, replaces, icon, title) == (
        "Parallel Flow", 0, "dialog-information", "a Map - done",
    ), service.shown  # fmt: skip
    assert text == "5 of 5 elements in 1 s.", text
    assert (actions, hints, milliseconds) == ([], {}, notices.SHOWN_MS), service.shown

    settings.override(desktopNotices=False)
    run("not wanted")
    settings.override(desktopNotices=None)
    window = QWidget()
    window.show()
    window.activateWindow()
    until(lambda: QApplication.activeWindow() is window)
    run("in front")
    window.close()
    until(lambda: QApplication.activeWindow() is None)
    run("another", RunState.FAILED, failed=2)
    until(lambda: len(service.shown) > 1)
    assert [notice[2:5] for notice in service.shown[1:]] == [
        ("dialog-error", "another - failed", "5 of 5 elements in 1 s, 2 failed.")
    ], service.shown

    # Without a service, and without a bus, nothing happens.
    assert bus.unregisterService(notices.SERVICE)
    told = notices.Notices()
    asked: list[str] = []
    told.show_in_tray = lambda title, text: asked.append(title)  # type: ignore[method-assign]
    told.show(Progress("unheard", 1).snapshot())
    until(lambda: bool(asked))
    session.close()
    told.close()
    print("all as it should be", flush=True)


if __name__ == "__main__":
    main()
