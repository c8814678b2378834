"""Steps in VisTrails' real window, each dialog and panel used by keys and by mouse; a program.

    python -m tests.gui.size_steps STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]

`SCREEN` in the environment is the size that all has to fit, such as ``1024x600``; with
`PICTURES` each window is painted into that folder. See `tests.gui.window_steps`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from parallelflow.engine_manager.system import profiles
from parallelflow.gui.entries import SHORTCUTS
from parallelflow.gui.menu import TEXTS
from tests.gui import window_steps
from tests.gui.looking import FRAME_HEIGHT, look_at
from tests.gui.map_steps import click_module
from tests.gui.window_steps import (
    CLEANUP,
    INFORMATION,
    MAP_OVER,
    PROFILE,
    SHUTDOWN,
    START,
    answer,
    click_entry,
    dialog,
    engines,
    entry,
    execute,
    gone,
    key,
    opened,
    press,
    select,
    until,
)
from tests.host import window_steps as base
from tests.host.window_steps import step, window

WIDTH, HEIGHT = map(int, os.environ.get("SCREEN", "1280x800").split("x"))
SIZE = WIDTH, HEIGHT

#: Makes the engines of a profile fail, as a typing error in its configuration does.
BROKEN = "c = get_config()\nc.IPEngine.max_heartbeat_misses = 'many'\n"


def seen(widget: Any, name: str) -> None:
    """Look at a window, and paint it if somebody else wants to look, too."""
    base.app().processEvents()
    folder = os.environ.get("PICTURES")
    if folder:
        widget.grab().save(f"{folder}/{WIDTH}x{HEIGHT}-{name}.png")
    look_at(widget, SIZE)


def press_keys(text: str) -> Iterator[None]:
    """Choose an entry of the menu by its keys, in the window that is worked in."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtGui import QKeySequence
    from PyQt5.QtTest import QTest
    from PyQt5.QtWidgets import QApplication

    yield from until(entry(text).isEnabled, f"{text} not to be grey")
    if QApplication.activeWindow() is None:
        window().activateWindow()
        yield
    code = QKeySequence(SHORTCUTS[TEXTS[text]])[0]
    mask = int(Qt.ControlModifier | Qt.ShiftModifier)
    QTest.keyClick(QApplication.activeWindow(), code & ~mask, Qt.KeyboardModifiers(code & mask))
    yield


def walk(text: str, kind: str, ready: Callable[[Any], Any], name: str) -> Iterator[None]:
    """Open a dialog by its keys, look at it, close it by Escape; the same by the mouse."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtWidgets import QDialogButtonBox

    window().activateWindow()
    yield
    yield from press_keys(text)
    yield from opened(kind)
    asked = dialog(kind)
    yield from until(lambda: ready(asked), f"{kind} to be ready")
    yield
    seen(asked, name)
    key(asked, Qt.Key_Escape)
    yield from gone(kind)
    yield from click_entry(text)
    yield from opened(kind)
    asked = dialog(kind)
    (box,) = asked.findChildren(QDialogButtonBox)
    press(box.button(QDialogButtonBox.Cancel))
    yield from gone(kind)


@step
def the_window_has_the_screens_size() -> Iterator[None]:
    window().resize(WIDTH, HEIGHT - FRAME_HEIGHT)
    yield
    assert (window().width(), window().height()) == (WIDTH, HEIGHT - FRAME_HEIGHT)
    paint("window")


@step
def every_view_is_inside() -> Iterator[None]:
    """VisTrails' views and the panels beside them are in the window, and not cut."""
    from PyQt5.QtWidgets import QDockWidget

    for view in ("history", "search", "explore", "provenance", "mashup", "pipeline"):
        base.trigger(view)
        yield
        yield
        paint(view)
        assert window().width() <= WIDTH and window().height() <= HEIGHT - FRAME_HEIGHT, view
        inside = window().rect()
        for dock in window().findChildren(QDockWidget):
            if dock.isFloating() or dock.visibleRegion().isEmpty():  # behind another tab
                continue
            assert inside.contains(dock.geometry()), (view, dock.windowTitle())
            needed, room = dock.widget().minimumSizeHint(), dock.widget().size()
            assert room.width() >= needed.width(), (view, dock.windowTitle(), needed, room)


def paint(name: str) -> None:
    """Paint the main window if somebody wants to look at it."""
    folder = os.environ.get("PICTURES")
    if folder:
        window().grab().save(f"{folder}/{WIDTH}x{HEIGHT}-main-{name}.png")


@step
def the_question_for_engines() -> Iterator[None]:
    from PyQt5.QtCore import Qt

    def by_keys(asked: Any) -> None:
        seen(asked, "ask")
        key(asked, Qt.Key_Escape)

    answer("AskDialog", by_keys)
    execute("quick")
    yield
    answer("AskDialog", lambda asked: press(asked.not_now_button))
    execute("quick")
    yield


@step
def the_start_and_its_error() -> Iterator[None]:
    """The start is tried with engines that fail, then with two that come."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    yield from walk(START, "StartDialog", lambda asked: asked.start_button.isEnabled(), "start")
    file = profiles.profile_folder("default") / "ipengine_config.py"
    file.write_text(BROKEN)
    yield from press_keys(START)
    yield from opened("StartDialog")
    asked = dialog("StartDialog")
    yield from until(asked.preview.toPlainText, "the commands")
    asked.number.setValue(2)
    press(asked.what_button)
    yield
    yield
    seen(asked, "what")
    press(asked.start_button)
    yield from until(asked.error.isVisible, "the error")
    yield
    yield
    seen(asked, "failed")
    press(asked.error.read_button)
    yield from opened("LogDialog")
    seen(dialog("LogDialog"), "log")
    key(dialog("LogDialog"), Qt.Key_Escape)
    yield from gone("LogDialog")
    file.unlink()
    asked.activateWindow()
    yield
    QTest.keyClick(asked, Qt.Key_B, Qt.AltModifier)
    yield from until(lambda: asked.start_button.isVisible(), "the question again")
    asked.start_button.setFocus()
    key(asked.start_button, Qt.Key_Space)
    assert "have not come up" not in asked.view.line.text()
    assert not asked.view.table.topLevelItemCount(), "it shows the start before"
    yield from until(lambda: asked.under_way and asked.view.snapshot, "the start")
    yield
    seen(asked, "starting")
    yield from until(lambda: not asked.under_way, "the engines")
    yield
    seen(asked, "started")
    assert len(engines()) == 2
    key(asked, Qt.Key_Return)
    yield from gone("StartDialog")


@step
def the_cluster_window() -> Iterator[None]:
    """In front of the main window, in the menu Window, with the keys of all entries."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest
    from PyQt5.QtWidgets import QApplication, QToolBar

    yield from press_keys(INFORMATION)
    yield from opened("ClusterWindow")
    shown = dialog("ClusterWindow")
    yield from until(lambda: len(shown.model.engines) == 2, "the engines")
    yield
    seen(shown, "cluster")
    assert shown.windowFlags() & Qt.WindowType_Mask == Qt.Dialog and shown.parent() is None
    for bar in window().findChildren(QToolBar):
        if bar.isVisible() and bar.parentWidget() is window():
            box = bar.rect().translated(bar.mapToGlobal(bar.rect().topLeft()))
            assert not box.intersects(shown.frameGeometry()), (box, shown.frameGeometry())
    # By its keys, an entry opens over this window and leaves the main one where it is.
    shown.activateWindow()
    yield from press_keys(START)
    yield from opened("StartDialog")
    assert dialog("StartDialog").parentWidget() is shown
    key(dialog("StartDialog"), Qt.Key_Escape)
    yield from gone("StartDialog")
    window().activateWindow()
    yield
    menu = window().qmenus["window"]
    menu.aboutToShow.emit()
    (ours,) = (a for a in menu.actions() if a.text() == shown.windowTitle())
    assert not ours.isChecked()
    ours.trigger()
    yield from until(lambda: QApplication.activeWindow() is shown, "the window in front")
    menu.aboutToShow.emit()
    assert [a.isChecked() for a in menu.actions() if a.text() == shown.windowTitle()] == [True]
    QTest.keyClick(shown, Qt.Key_Escape)
    yield from gone("ClusterWindow")
    menu.aboutToShow.emit()
    assert not [a for a in menu.actions() if a.text() == shown.windowTitle()]


@step
def the_questions_about_the_cluster() -> Iterator[None]:
    yield from walk(PROFILE, "ProfileDialog", lambda asked: asked.profiles, "profile")
    yield from walk(CLEANUP, "CleanupDialog", lambda asked: asked.stop_button.isEnabled(), "clean")
    yield from walk(
        SHUTDOWN, "ShutdownDialog", lambda asked: asked.shutdown_button.isEnabled(), "shutdown"
    )


@step
def the_form_of_a_map() -> Iterator[None]:
    base.trigger("pipeline")
    select("quick")
    yield
    yield from click_module("PythonSource")
    yield from walk(MAP_OVER, "MapDialog", lambda asked: True, "map")


@step
def the_page_in_preferences() -> Iterator[None]:
    from vistrails.gui.preferences import QPackageConfigurationDialog

    asked = QPackageConfigurationDialog(window(), base.manager().get_package(base.OURS))
    asked.show()
    yield
    tree = asked._configuration_widget._tree.treeWidget
    tree.setCurrentItem(tree.topLevelItem(0).child(3))
    yield
    seen(asked, "configuration-page")
    asked.close()
    yield


if __name__ == "__main__":
    window_steps.main()
