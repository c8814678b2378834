"""Steps in VisTrails' real window in which runs are looked at; run as a program.

python -m tests.gui.runs_steps STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parallelflow.progress import recent
from parallelflow.runs.table import ElementState
from tests.gui import window_steps
from tests.gui.map_steps import picture
from tests.gui.window_steps import (
    KNOWN,
    RUNS,
    answer,
    click_entry,
    dialog,
    execute,
    later,
    press,
    until,
)
from tests.host import window_steps as base
from tests.host.window_steps import step, window


def panel() -> Any:
    """Return the panel in the main window."""
    from PyQt5.QtWidgets import QDockWidget

    dock = window().findChild(QDockWidget, "parallelflow-runs")
    assert dock is not None and dock.isVisible()
    return dock.widget()


def cell(row: int, column: int) -> str:
    """Return what a cell shows."""
    model = panel().model
    return str(model.data(model.index(row, column)))


@step
def open_the_runs() -> Iterator[None]:
    yield from click_entry(RUNS)
    assert panel().line.text().startswith("No run yet") and panel().model.rowCount() == 0
    assert not panel().cancel_button.isEnabled() and not panel().report_button.isEnabled()


@step
def the_rows_of_a_run() -> Iterator[None]:
    """Beside VisTrails' progress dialog a window of its own; afterwards the panel has the rows."""
    from PyQt5.QtWidgets import QProgressBar

    bars: set[int] = set()

    def look() -> bool:
        progress = base.controller().progress
        if progress is None:
            return "ended" in KNOWN
        (bar,) = progress.findChildren(QProgressBar)
        bars.add(bar.value())
        buttons = [c for c in progress.children() if type(c).__name__ == "_RunsButton"]
        if buttons and "own" not in KNOWN:
            press(buttons[0])
            KNOWN["own"] = dialog("RunsPanel")
            KNOWN["states"] = {KNOWN["own"].model.data(KNOWN["own"].model.index(0, 1))}
            picture("runs_beside")
        return "ended" in KNOWN

    KNOWN.pop("ended", None)
    later(look)
    (result,) = execute("quick")
    assert not result.errors, [e.msg for e in result.errors.values()]
    yield
    assert len(bars) > 5 and max(bars) > 80, bars  # it has followed the elements
    KNOWN["own"].close()
    yield from until(lambda: panel().run is recent()[-1], "the run")
    panel().refresh()
    assert panel().model.rowCount() == 200
    assert (cell(3, 0), cell(3, 1), cell(3, 2)) == ("3", "done", "3")
    assert cell(3, 3) in ("0", "1") and float(cell(3, 6)) >= 0.02
    assert cell(3, 7).endswith(" MB")
    view = panel().view
    known = view.itemDelegate().displayText(ElementState.KNOWN.value, view.locale())
    wanted = view.fontMetrics().horizontalAdvance(known)
    assert view.columnWidth(1) > wanted + 8, "a state is read whole"
    assert "200 of 200 elements, done" in panel().line.text()


@step
def sort_find_and_open_an_element() -> Iterator[None]:
    from PyQt5.QtCore import QPoint, Qt
    from PyQt5.QtGui import QGuiApplication
    from PyQt5.QtTest import QTest

    shown = panel()
    shown.view.sortByColumn(6, Qt.DescendingOrder)
    times = [float(cell(row, 6)) for row in range(200)]
    assert times == sorted(times, reverse=True)
    shown.view.sortByColumn(0, Qt.AscendingOrder)
    QTest.keyClicks(shown.text, "42")
    QTest.keyClick(shown.text, Qt.Key_Return)
    assert shown.model.rowCount() == 1 and cell(0, 0) == "42"
    yield
    QTest.mouseClick(shown.view.viewport(), Qt.LeftButton, Qt.NoModifier, QPoint(20, 8))
    at = shown.view.visualRect(shown.model.index(0, 0)).center()
    QTest.mouseDClick(shown.view.viewport(), Qt.LeftButton, Qt.NoModifier, at)
    yield
    from parallelflow.gui.element_dialog import ElementDialog

    (whole,) = window().findChildren(ElementDialog)
    text = whole.text.toPlainText()
    assert "Input\n42" in text and "Output\n84" in text, text
    picture("element")
    press(whole.copy_button)
    assert QGuiApplication.clipboard().text() == text
    press(whole.module_button)
    yield
    assert base.item_of("PythonSource").isSelected()
    shown.text.clear()
    assert shown.model.rowCount() == 200


@step
def the_timeline_and_the_report() -> Iterator[None]:
    shown = panel()
    shown.tabs.setCurrentIndex(1)
    yield
    assert len(shown.timeline.spans) == 2 and "2 engines, idle" in shown.numbers.text()
    picture("timeline")
    shown.tabs.setCurrentIndex(2)
    lines = shown.results.toPlainText().splitlines()
    assert len(lines) == 200 and lines[42].split() == ["42", "84"], lines[:50]
    picture("results")
    file = Path.home() / "run.html"
    shown.save("report", file)
    page = file.read_text(encoding="utf-8")
    assert "<svg" in page and "was written" in shown.line.text()
    assert "Report of maps.vt:quick" in page and "maps.vt, version quick" in page
    assert "mapped.OutputPort = o" in page and "mapped.InputList = [0, 1, 2, 3" in page
    assert "ipyparallel</dt>" in page
    shown.save("table", Path("/nowhere/run.csv"))
    assert "could not be written" in shown.line.text()
    shown.tabs.setCurrentIndex(0)


@step
def a_failed_map_says_so() -> Iterator[None]:
    """The panel comes up at the failed element, and the module's tooltip names it."""
    panel().parentWidget().close()
    yield
    (result,) = execute("failing")
    assert result.errors
    yield from until(lambda: _is_shown() and panel().view.selectedIndexes(), "the failed element")
    chosen = panel().view.selectedIndexes()[0].row()
    assert cell(chosen, 0) == "7" and cell(chosen, 1) == ElementState.FAILED.value
    assert cell(chosen, 9) == "ValueError: seven", cell(chosen, 9)
    assert panel().line.text().endswith("1 failed; element 7: ValueError: seven")
    tip = base.item_of("PythonSource").toolTip()
    assert tip.startswith("Element 7 of 60, 7, failed on engine "), tip
    assert "ValueError: seven" in tip, tip
    assert panel().again_button.isEnabled()
    panel().tabs.setCurrentIndex(2)
    assert panel().results.toPlainText().splitlines()[7].split() == ["7", "(failed)"]
    panel().tabs.setCurrentIndex(0)
    picture("failed")


def _is_shown() -> bool:
    try:
        panel()
    except AssertionError:
        return False
    return True


@step
def run_again() -> Iterator[None]:
    """What has failed, all of a Map that has failed, all of one that is in VisTrails' cache."""
    from parallelflow.gui import run_again as run_again_module

    shown, failed = panel(), recent()[-1]
    assert shown.failed_action.isEnabled() and shown.all_action.isEnabled()
    known = sum(chunk.count for chunk in failed.trace.chunks) - failed.failed
    shown.failed_action.trigger()
    again = recent()[-1]
    assert again is not failed and 0 < known <= again.snapshot().known
    yield from until(lambda: panel().run is again and _is_shown(), "the run that was tried again")
    panel().all_action.trigger()
    assert recent()[-1] is not again and recent()[-1].snapshot().known == 0
    yield
    execute("quick")
    quick = recent()[-1]
    yield from until(lambda: panel().run is quick, "the run that was done")
    assert panel().all_action.isEnabled() and not panel().failed_action.isEnabled()
    picture("run_again")
    # PythonSources are never cached; what else a loop may consist of is.
    assert quick.trace.place is not None and _cached(quick.trace.place.module)
    run_again_module.forget_cached(quick.trace.place)
    assert not _cached(quick.trace.place.module)
    panel().all_action.trigger()
    assert recent()[-1] is not quick and recent()[-1].snapshot().known == 0
    execute("failing")
    yield


def _cached(module: int) -> list[Any]:
    from vistrails.core.interpreter.default import get_default_interpreter

    objects = get_default_interpreter().get()._objects.values()
    return [one for one in objects if one.moduleInfo.get("moduleId") == module]


@step
def cancel_in_the_panel() -> Iterator[None]:
    """The progress dialog takes the keys; the panel's Cancel ends the Map and says what is next."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest
    from PyQt5.QtWidgets import QMessageBox

    def look() -> bool:
        progress = base.controller().progress
        if progress is None or "left" not in progress.labelText():
            return False
        progress.activateWindow()
        if not progress.isActiveWindow():
            return False
        QTest.keyClick(progress, Qt.Key_R, Qt.ControlModifier | Qt.ShiftModifier)
        own = dialog("RunsPanel")
        own.refresh()
        press(own.cancel_button)
        return True

    later(look)
    answer("QMessageBox", lambda box: press(box.button(QMessageBox.Yes)))
    execute("endless")
    yield
    own = dialog("RunsPanel")
    own.refresh()
    assert own.line.text().endswith("cancelled; executing the workflow again goes on")
    own.close()
    base.trigger("pipeline")
    yield
    tip = base.item_of("Map").toolTip()
    assert tip.startswith("Cancelled when ") and "goes on from them" in tip, tip


@step
def a_run_that_goes_on_is_no_failure() -> Iterator[None]:
    """It is listed once, as done, and the panel does not come up."""
    from parallelflow.progress import RunState
    from parallelflow.runs.history import past_runs

    configuration = base.manager().get_package(base.OURS).configuration
    panel().parentWidget().close()
    yield
    before = past_runs()
    configuration.onError = "continue"
    (result,) = execute("failing")
    configuration.onError = "stop"
    run = recent()[-1]
    assert not result.errors and run.left_out and run.state is RunState.FAILED
    yield from until(lambda: past_runs() != before, "the run among those of the past")
    yield
    (new,) = past_runs()[len(before) :]
    assert (new.state, new.failed, new.total) == ("done", 1, 60)
    assert not _is_shown()
    execute("failing")
    yield from until(_is_shown, "the panel")


@step
def past_runs_are_listed() -> Iterator[None]:
    shown = panel()
    shown.tabs.setCurrentIndex(4)
    yield
    assert shown.past.topLevelItemCount() >= 2
    states = {shown.past.topLevelItem(row).text(3) for row in range(2)}
    assert states == {"done", "failed"}


@step
def the_window_around_it() -> Iterator[None]:
    """The status bar, Help, and a window of 1024 x 600 with all that belongs to it."""
    window().resize(1024, 560)
    yield from until(lambda: "Profile 'default': no cluster" in _status(), "the status bar")
    assert window().width() == 1024, window().width()
    assert "Parallel Flow" in [a.text() for a in window().qmenus["help"].actions()]
    (examples,) = (a for a in window().qmenus["file"].actions() if a.text() == "Open Examples...")
    from parallelflow.gui.main_window_parts import examples_folder

    folder = examples_folder()
    assert examples.isEnabled() is (folder is not None)
    picture("window1024")
    from parallelflow.gui.main_window_parts import guide

    assert guide().name == "guide.md"


def _status() -> list[str]:
    from PyQt5.QtWidgets import QLabel

    return [line.text() for line in window().statusBar().findChildren(QLabel)]


@step
def the_configuration_is_checked() -> Iterator[None]:
    from vistrails.gui.preferences import QPackageConfigurationDialog

    package = base.manager().get_package(base.OURS)
    asked = QPackageConfigurationDialog(window(), package)
    asked.show()
    yield
    tree = asked._configuration_widget._tree.treeWidget
    top = tree.topLevelItem(0)
    items = {item.name: item for item in map(top.child, range(top.childCount()))}
    tree.setCurrentItem(items["engines"])
    assert asked.about.text().startswith("engines: Engines to start for work that finds none")
    picture("configuration_page")
    before = {name: getattr(package.configuration, name) for name in items}
    for name, wrong, told in (
        ("engines", "-3", "'engines' cannot be -3: it is 0 or more."),
        ("engines", "", "'engines' cannot be '': it is a whole number."),
        ("elementTimeout", "1 h", "'elementTimeout' cannot be '1 h': it is a number."),
        ("elementTimeout", "inf", "'elementTimeout' cannot be inf: it is 0 or more."),
        ("askToStart", "perhaps", "'askToStart' cannot be 'perhaps': it is True or False."),
        ("profile", "a/b", "'a/b' is not a valid profile name"),
        ("launcher", "nosuch", "There is no launcher 'nosuch': choose one of local"),
        ("onError", "maybe", "'onError' cannot be 'maybe'"),
    ):
        items[name].setText(1, wrong)
        assert asked.about.text().startswith(f"Not changed. {told}"), asked.about.text()
        assert items[name].text(1) == str(before[name])
        assert getattr(package.configuration, name) == before[name]
    items["engines"].setText(1, "3")
    assert package.configuration.engines == 3
    assert asked.about.text().startswith("engines: Engines to start")
    asked.reset_configuration()  # as *Restore Defaults* does once it has asked
    assert package.configuration.engines == 0
    top = tree.topLevelItem(0)
    items = {item.name: item for item in map(top.child, range(top.childCount()))}
    items["engines"].setText(1, "-3")
    assert asked.about.text().startswith("Not changed. 'engines' cannot be -3")
    assert package.configuration.engines == 0 and items["engines"].text(1) == "0"
    assert all(item.toolTip(0) for item in items.values()), [
        n for n in items if not items[n].toolTip(0)
    ]
    asked.close()
    assert "Run a step of a workflow" in package.description


if __name__ == "__main__":
    window_steps.main()
