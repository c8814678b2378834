"""VisTrails' own window: what of it Parallel Flow uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from PyQt5.QtCore import QCoreApplication, QEventLoop, QThread, QTimer
from PyQt5.QtWidgets import QAction, QApplication, QMenu, QProgressDialog, QWidget

import parallelflow

__all__ = [
    "give_up",
    "is_shown",
    "main_window",
    "menus",
    "on_window_thread",
    "progress_dialogs",
    "turn_event_loop",
]


def is_shown() -> bool:
    """Whether VisTrails runs with a window and a person before it."""
    from vistrails.core.application import get_vistrails_application

    app: Any = get_vistrails_application()
    if app is None or not app.is_running_gui() or QCoreApplication.instance() is None:
        return False
    return not getattr(app.temp_configuration, "batch", False)


def main_window() -> Any:
    """Return VisTrails' main window, None while it is being built."""
    from vistrails.core.application import get_vistrails_application

    return getattr(get_vistrails_application(), "builderWindow", None)


def parent_for_dialogs() -> QWidget | None:
    """Return the window that a dialog should belong to: the one that is worked in."""
    for window in (QApplication.activeModalWidget(), QApplication.activeWindow()):
        # One that has been closed takes its children along when it is deleted, a moment later;
        # VisTrails' progress dialog goes when the workflow does, which a dialog may outlive.
        if window is not None and window.isVisible() and not isinstance(window, QProgressDialog):
            return window
    return main_window()


def menus() -> Iterator[QMenu]:
    """Yield the menus Packages / Parallel Flow, one for each of VisTrails' windows."""
    first = main_window()
    if first is None:
        return
    for window in [first, *getattr(first, "windows", {}).values()]:
        entry = getattr(window, "_package_menu_items", {}).get(parallelflow.identifier)
        if entry is not None and entry.get("menu") is not None:
            yield entry["menu"]


def actions() -> Iterator[QAction]:
    """Yield the entries of those menus."""
    for menu in menus():
        yield from menu.actions()


def progress_dialogs() -> Iterator[QProgressDialog]:
    """Yield VisTrails' dialogs on executions under way, usually one."""
    first = main_window()
    for view in first.getAllViews() if first is not None else ():
        dialog = getattr(getattr(view, "controller", None), "progress", None)
        if isinstance(dialog, QProgressDialog):
            yield dialog


def give_up() -> bool:
    """Whether the user has pressed Cancel in one of VisTrails' own dialogs."""
    return any(dialog.wasCanceled() for dialog in progress_dialogs())


def on_window_thread() -> bool:
    """Whether this is the thread of the window."""
    app = QCoreApplication.instance()
    return app is not None and QThread.currentThread() is app.thread()


def turn_event_loop() -> bool:
    """Handle the events that wait.

    Returns
    -------
    bool
        Whether the application goes on; False once it was told to quit, by its menu or a
        signal. (An event loop does not begin then: that is how it is known.)
    """
    loop = QEventLoop()
    QTimer.singleShot(0, loop.quit)
    return loop.exec_() >= 0


def in_thread_of_its_own(work: Any, name: str) -> None:
    """Do something that waits, and handle the window's events meanwhile, but no input.

    Parameters
    ----------
    work : callable
        Without arguments; what it raises is lost.
    name : str
        The thread's name.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.02)
        QCoreApplication.processEvents(QEventLoop.ExcludeUserInputEvents)
