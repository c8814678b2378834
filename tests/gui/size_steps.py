"""Steps in VisTrails' real window, each dialog and panel used by keys and by mouse; a program.

    python -m tests.gui.size_steps STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]

`SCREEN` in the environment is the size that all has to fit, such as ``1024x600``; with
`PICTURES` each window is painted into that folder. See `tests.gui.window_steps`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

from parallelflow.engine_manager.system import profiles
from parallelflow.gui.entries import SHORTCUTS
from parallelflow.gui.menu import TEXTS
from tests.gui import window_steps
from tests.gui.looking import FRAME_HEIGHT, look_at
from tests.gui.map_steps import click_module
from tests.gui.runs_steps import panel
from tests.gui.window_steps import (
    CLEANUP,
    INFORMATION,
    MAP_OVER,
    PROFILE,
    RUNS,
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
    later,
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
    yield from until(asked.isActiveWindow, "the dialog in front")
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
    """Made by keys; its configuration by Ctrl+E, chosen by keys and by the mouse."""
    from PyQt5.QtCore import QPoint, Qt
    from PyQt5.QtTest import QTest

    base.trigger("pipeline")
    select("quick")
    yield
    yield from click_module("PythonSource")
    yield from walk(MAP_OVER, "MapDialog", lambda asked: True, "map")
    yield from click_module("Map")
    shown = yield from configuration()
    seen(shown, "configuration")
    # Space unticks the input, Reset brings it back; the mouse does the same at the box.
    inputs = shown.form.inputs
    for untick in (
        lambda: key(inputs, Qt.Key_Space),
        lambda: QTest.mouseClick(
            inputs.viewport(),
            Qt.LeftButton,
            Qt.NoModifier,
            inputs.visualItemRect(inputs.currentItem()).topLeft() + QPoint(10, 8),
        ),
    ):
        inputs.setFocus()
        chosen = next(r for r in range(inputs.count()) if inputs.item(r).checkState())
        inputs.setCurrentRow(chosen)
        inputs.scrollToItem(inputs.currentItem())
        untick()
        assert shown.form.hint.text() == "Tick at least one input.", shown.form.hint.text()
        assert shown.reset_button.isEnabled() and not shown.save_button.isEnabled()
        seen(shown, "configuration-changed")
        press(shown.reset_button)
        assert shown.form.hint.text() == "'i' gets each element.", shown.form.hint.text()
        assert not shown.reset_button.isEnabled()
    configured().toolWindow().close()
    yield


def configured() -> Any:
    """Return the palette in which VisTrails configures modules."""
    from vistrails.gui.module_configuration import QModuleConfiguration

    return QModuleConfiguration.instance()


def configuration() -> Generator[None, None, Any]:
    """Press Ctrl+E; returns the configuration of the selected Map."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    window().activateWindow()
    yield from until(window().isActiveWindow, "the window")
    QTest.keyClick(window(), Qt.Key_E, Qt.ControlModifier)
    yield from until(lambda: _shows_map(configured().confWidget.widget), "the configuration")
    yield
    return configured().confWidget.widget


def _shows_map(widget: Any) -> bool:
    return type(widget).__name__ == "MapConfiguration" and widget.isVisible()


@step
def the_runs() -> Iterator[None]:
    """Beside VisTrails' progress dialog, in the window, and at a failed element."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    beside: list[Any] = []

    def look() -> bool:
        progress = base.controller().progress
        if beside or progress is None:
            return bool(beside)
        buttons = [c for c in progress.children() if type(c).__name__ == "_RunsButton"]
        if buttons:
            beside.append(progress)
            seen(progress, "progress")
            press(buttons[0])
            seen(dialog("RunsPanel"), "runs-beside")
            dialog("RunsPanel").close()
        return bool(beside)

    later(look)
    (result,) = execute("quick")
    assert not result.errors and beside
    yield from press_keys(RUNS)
    yield from until(lambda: panel().isVisible(), "the panel")
    tabs = panel().tabs
    for number, name in enumerate(("elements", "timeline", "results", "events", "history")):
        if number % 2:
            tabs.tabBar().setFocus()
            key(tabs.tabBar(), Qt.Key_Right)
        else:
            place = tabs.tabBar().tabRect(number).center()
            QTest.mouseClick(tabs.tabBar(), Qt.LeftButton, Qt.NoModifier, place)
        yield
        assert tabs.currentIndex() == number
        seen(panel(), f"runs-{name}")
    paint("runs")
    panel().parentWidget().close()
    yield
    (result,) = execute("failing")
    assert result.errors
    yield from until(_failed_is_chosen, "the failed element")
    yield
    seen(panel(), "runs-failed")
    panel().view.setFocus()
    key(panel().view, Qt.Key_Return)
    yield from opened("ElementDialog")
    seen(dialog("ElementDialog"), "element")
    key(dialog("ElementDialog"), Qt.Key_Escape)
    yield from gone("ElementDialog")
    paint("failed")
    panel().parentWidget().close()
    yield


def _failed_is_chosen() -> bool:
    from PyQt5.QtWidgets import QDockWidget

    dock = window().findChild(QDockWidget, "parallelflow-runs")
    return dock is not None and dock.isVisible() and bool(dock.widget().view.selectedIndexes())


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
    preferences = window().preferencesDialog
    preferences.show()
    preferences.resize(WIDTH, HEIGHT - FRAME_HEIGHT)
    yield
    for number in range(preferences._tab_widget.count()):
        preferences._tab_widget.setCurrentIndex(number)
        yield
        folder = os.environ.get("PICTURES")
        if folder:
            preferences.grab().save(f"{folder}/{WIDTH}x{HEIGHT}-preferences-{number}.png")
        assert preferences.width() <= WIDTH and preferences.height() <= HEIGHT - FRAME_HEIGHT
    preferences.close()


if __name__ == "__main__":
    window_steps.main()
