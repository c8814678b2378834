"""Show information on the cluster: the window's own logic."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from parallelflow.engine_manager.model import Origin, State
from parallelflow.engine_manager.model.information import ClusterInfo, ControllerInfo, EngineInfo
from parallelflow.errors import ClusterError
from parallelflow.progress import RunState, Snapshot
from tests.gui.conftest import FakeManager

pytestmark = pytest.mark.gui

OURS = {"python": "3.11.7", "ipyparallel": "9.2.0", "parallelflow": "1", "vistrails": "3.0"}
CONTROLLER = ControllerInfo(Origin.THIS_SESSION, "", "127.0.0.1:5000", "here", 77, True, False)


def engine(number: int, host: str = "here", **fields: Any) -> EngineInfo:
    values: dict[str, Any] = {
        "origin": Origin.THIS_SESSION, "host": host, "system": "Linux", "pid": 100 + number,
        "busy": False, "tasks_done": 10 - number, "tasks_waiting": 0, "cpu_percent": 1.0 * number,
        "memory_bytes": 2**20 * (number + 1), **OURS,
    }  # fmt: skip
    return EngineInfo(number, **{**values, **fields})


def information(*engines: EngineInfo, **fields: Any) -> ClusterInfo:
    return ClusterInfo("default", State.ENGINES, CONTROLLER, engines, OURS, **fields)


@pytest.fixture
def shown(qtbot: Any, manager: FakeManager) -> Any:
    from parallelflow.gui.cluster_window import ClusterWindow

    manager.state = State.ENGINES
    manager.information = information(engine(0), engine(1), engine(9), engine(10))
    window = ClusterWindow(manager)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.info is not None)
    return window


def column(window: Any, title: str) -> list[str]:
    from parallelflow.gui.engine_table import COLUMNS

    number = [about.title for about in COLUMNS].index(title)
    rows = range(window.order.rowCount())
    return [window.order.index(row, number).data() for row in rows]


def sort(window: Any, title: str, descending: bool = False) -> None:
    from PyQt5.QtCore import Qt

    from parallelflow.gui.engine_table import COLUMNS

    number = [about.title for about in COLUMNS].index(title)
    window.table.sortByColumn(number, Qt.DescendingOrder if descending else Qt.AscendingOrder)


def test_the_model_is_a_correct_one(shown: Any, qtmodeltester: Any) -> None:
    qtmodeltester.check(shown.model)
    qtmodeltester.check(shown.order)


def test_a_column_is_as_wide_as_what_comes_later(shown: Any) -> None:
    from parallelflow.gui.engine_table import COLUMNS

    number = [about.title for about in COLUMNS].index("Pid")
    shown.show_info(information(engine(0, pid=1234567890)))
    shown.show_info(information(engine(0, pid=None)))
    narrow = shown.table.columnWidth(number)
    shown.show_info(information(engine(0, pid=1234567890)))
    assert shown.table.columnWidth(number) >= shown.table.sizeHintForColumn(number) > narrow


def test_rows_are_by_host_then_id_and_sort_by_value(shown: Any) -> None:
    shown.show_info(information(engine(10), engine(9), engine(2, "afar"), engine(1)))
    assert column(shown, "Id") == ["2", "1", "9", "10"]
    sort(shown, "Id", descending=True)
    assert column(shown, "Id") == ["10", "9", "2", "1"]
    sort(shown, "Done")
    assert column(shown, "Done") == ["0", "1", "8", "9"]
    assert column(shown, "Memory") == ["11 MB", "10 MB", "3 MB", "2 MB"]


def test_what_is_not_known_is_a_question_mark_and_sorts_first(shown: Any) -> None:
    shown.show_info(information(engine(0), EngineInfo(1), engine(2, cpu_percent=None)))
    sort(shown, "CPU")
    assert column(shown, "CPU") == ["?", "?", "0 %"]
    assert column(shown, "State")[0] == "?"


def test_versions_are_shown_where_they_differ(shown: Any) -> None:
    from parallelflow.gui.engine_table import COLUMNS

    def visible() -> list[str]:
        return [c.title for n, c in enumerate(COLUMNS) if not shown.table.isColumnHidden(n)]

    assert not {"Python", "ipyparallel", "VisTrails"} & set(visible())
    shown.show_info(information(engine(0), engine(1, vistrails="")))
    assert "VisTrails" in visible() and "Python" not in visible()
    assert column(shown, "VisTrails") == ["3.0", "none"]


def test_a_selection_stays_with_its_engine(shown: Any) -> None:
    sort(shown, "Id")
    shown.table.selectRow(1)
    shown.show_info(information(engine(1, busy=True), engine(10), engine(11)))
    assert [e.id for e in shown.selected()] == [1]
    shown.show_info(information(engine(10)))
    assert shown.selected() == [] and not shown.stop_button.isEnabled()


def test_closed_or_minimized_it_asks_nothing(qtbot: Any, shown: Any, manager: FakeManager) -> None:
    assert shown.timer.isActive()
    shown.close()
    assert not shown.timer.isActive()
    asked = manager.calls.count(("info",))
    shown.timer.setInterval(10)
    qtbot.wait(100)
    assert manager.calls.count(("info",)) == asked
    shown.show()
    assert shown.timer.isActive()
    shown.showMinimized()
    assert not shown.timer.isActive()


def test_one_answer_is_awaited_at_a_time(qtbot: Any, shown: Any, manager: FakeManager) -> None:
    qtbot.waitUntil(lambda: shown._task is None)
    asked = manager.calls.count(("info",))
    manager.go_on.clear()
    for _ in range(5):
        shown.refresh()
    qtbot.wait(50)
    manager.go_on.set()
    qtbot.waitUntil(lambda: shown._task is None)
    assert manager.calls.count(("info",)) == asked + 1


def test_stopping_an_idle_engine_of_ours_asks_nothing(
    qtbot: Any, shown: Any, manager: FakeManager
) -> None:
    sort(shown, "Id")
    shown.table.selectRow(0)
    shown.stop_button.click()
    qtbot.waitUntil(lambda: ("stop", 0) in manager.calls)
    qtbot.waitUntil(lambda: shown.said.isHidden())


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"busy": True}, "working at a task"), ({"origin": Origin.EXTERNAL}, "started elsewhere")],
)
def test_stopping_a_busy_or_foreign_engine_is_asked_about(
    qtbot: Any, shown: Any, manager: FakeManager, fields: dict[str, Any], says: str
) -> None:
    from PyQt5.QtWidgets import QApplication, QMessageBox

    manager.information = information(engine(4, **fields))
    shown.show_info(manager.information)
    for agree in (False, True):
        shown.table.selectRow(0)
        shown.stop_button.click()
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox) and says in box.text()
        (stop,) = (b for b in box.buttons() if "Stop" in b.text())
        assert box.defaultButton() is not stop
        (stop if agree else box.defaultButton()).click()
        qtbot.wait(50)
        assert (("stop", 4) in manager.calls) == agree


def test_what_cannot_be_interrupted_is_told(qtbot: Any, shown: Any, manager: FakeManager) -> None:
    shown.table.selectRow(0)
    manager.error = ClusterError("engine 0 does not take signals")
    shown.interrupt_button.click()
    qtbot.waitUntil(lambda: "does not take signals" in shown.said.text())


def test_the_whole_is_copied_as_text(shown: Any, manager: FakeManager) -> None:
    from PyQt5.QtGui import QGuiApplication

    shown.copy_button.click()
    assert QGuiApplication.clipboard().text() == manager.information.to_text()


def test_runs_are_shown_with_their_progress(shown: Any) -> None:
    run = Snapshot(1, "Map", RunState.RUNNING, 200, 50, 2, 4, 10.0, 26.0)
    shown.show_info(information(engine(0), runs=(run,) * 5))
    assert shown.runs.isVisible()
    assert shown.runs.rows[0].line.text() == "Map: 52 of 200 elements, 2 failed, about 1 min left"
    assert shown.runs.rows[0].bar.value() == 52
    assert shown.runs.more.text() == "and 2 other runs"
    shown.show_info(information(engine(0)))
    assert not shown.runs.isVisible()


@pytest.mark.parametrize(
    ("info", "says"),
    [
        (ClusterInfo("p", State.NO_CLUSTER), "Not connected: no cluster runs on the profile 'p'."),
        (ClusterInfo("p", State.CONNECTING), "Connecting to the cluster of the profile 'p'"),
        (ClusterInfo("p", State.LOST, CONTROLLER), "has gone: its controller ended"),
        (ClusterInfo("p", State.CONTROLLER, CONTROLLER), "of the profile 'p': 0 engines."),
        (information(engine(0, busy=True), engine(1)), "2 engines, 1 busy."),
        (information(engine(0), answered=False), "The hub does not answer"),
    ],
)  # fmt: skip
def test_the_state_is_told_as_it_is(shown: Any, info: ClusterInfo, says: str) -> None:
    shown.show_info(info)
    assert says in shown.state.text()


def test_a_controller_that_others_can_reach_is_told(shown: Any) -> None:
    wide = dataclasses.replace(CONTROLLER, beyond_this_machine=True, encrypted=False)
    shown.show_info(
        dataclasses.replace(information(engine(0)), controller=wide, warnings=("Take care.",))
    )
    assert "reachable from other machines, not encrypted" in shown.controller.text()
    assert shown.warnings.text() == "Take care." and shown.warnings.isVisible()
