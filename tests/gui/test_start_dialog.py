"""Start new engine processes: the dialog's own logic."""

from __future__ import annotations

from typing import Any

import pytest

from parallelflow.engine_manager.model import LaunchPreview, Limits
from parallelflow.errors import ConnectFailed, EnginesFailed, TooManyEngines
from tests.gui.conftest import FakeManager

pytestmark = pytest.mark.gui


@pytest.fixture
def asked(qtbot: Any, manager: FakeManager) -> Any:
    from parallelflow.gui.start_dialog import StartDialog

    dialog = StartDialog(manager)
    dialog.open()
    qtbot.waitUntil(lambda: dialog.preview.toPlainText() != "")
    return dialog


def test_it_shows_the_machine_the_launchers_and_what_is_run(qtbot: Any, asked: Any) -> None:
    assert asked.number.value() == 3
    assert "3 not yet used by engines" in asked.machine.text()
    assert "a controller is started first" in asked.cluster.text()
    titles = [asked.launcher.itemText(n) for n in range(asked.launcher.count())]
    assert titles[0] == "this machine" and "no sbatch on this machine" in titles[2]
    # An arrow is beside the text.
    needed = max(map(asked.launcher.fontMetrics().horizontalAdvance, titles)) + 20
    qtbot.waitUntil(lambda: asked.launcher.width() > needed)
    assert asked.preview.toPlainText() == "ipcontroller\nipengine x 3 by local"
    assert asked.notes.text() == "a note"


def test_the_preview_follows_and_a_missing_launcher_cannot_be_started(
    qtbot: Any, asked: Any
) -> None:
    asked.number.setValue(5)
    qtbot.waitUntil(lambda: "x 5" in asked.preview.toPlainText())
    asked.launcher.setCurrentIndex(2)
    qtbot.waitUntil(lambda: "slurm" in asked.preview.toPlainText())
    assert not asked.start_button.isEnabled()


def test_what_has_no_machine_cannot_be_started(
    qtbot: Any, asked: Any, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preview(name: str, n: int) -> LaunchPreview:
        command = "" if name == "ssh" else f"ipengine x {n} by {name}"
        return LaunchPreview(name, "ipcontroller", command, notes=("No machine is named.",))

    monkeypatch.setattr(manager, "launch_preview", preview)
    asked.number.setValue(1)
    qtbot.waitUntil(lambda: "x 1" in asked.preview.toPlainText())
    assert asked.start_button.isEnabled()
    asked.launcher.setCurrentIndex(1)
    qtbot.waitUntil(lambda: asked.preview.toPlainText() == "ipcontroller")
    assert not asked.start_button.isEnabled()


def test_progress_of_each_engine_then_enter_closes(
    qtbot: Any, asked: Any, manager: FakeManager
) -> None:
    from PyQt5.QtCore import Qt

    asked.number.setValue(2)
    qtbot.keyClick(asked, Qt.Key_Return)
    qtbot.waitUntil(lambda: asked.view.snapshot is not None and not asked.under_way)
    assert ("start", 2, "local") in manager.calls
    assert asked.view.line.text() == "All 2 engines are ready."
    assert asked.view.bar.value() == asked.view.bar.maximum()
    with qtbot.waitSignal(asked.destroyed):
        qtbot.keyClick(asked, Qt.Key_Return)


def test_the_number_of_engines_can_follow_the_work(
    qtbot: Any, asked: Any, manager: FakeManager
) -> None:
    asked.number.setValue(5)
    asked.follow.box.click()
    qtbot.waitUntil(lambda: "ipengine x 1 by local" in asked.preview.toPlainText())
    asked.follow.least.setValue(9)
    assert asked.follow.least.value() == 5  # no more than the most
    asked.follow.least.setValue(0)
    asked.start_button.click()
    qtbot.waitUntil(lambda: asked.view.snapshot is not None and not asked.under_way)
    assert ("follow", Limits(0, 5, "local")) in manager.calls
    assert "engines are started when there is work" in asked.view.line.text()
    assert asked.view.bar.value() == asked.view.bar.maximum()


def test_escape_cancels_a_start_and_the_dialog_stays_until_it_is_undone(
    qtbot: Any, asked: Any, manager: FakeManager
) -> None:
    from PyQt5.QtCore import Qt

    manager.go_on.clear()
    asked.start_button.click()
    qtbot.keyClick(asked, Qt.Key_Escape)
    assert asked.isVisible() and "Stopping" in asked.view.line.text()
    asked.close()
    assert asked.isVisible()
    with qtbot.waitSignal(asked.destroyed):
        manager.go_on.set()


def test_in_the_background_it_is_hidden_and_ends_by_itself(
    qtbot: Any, asked: Any, manager: FakeManager
) -> None:
    asked.start_button.click()
    asked.hide_button.click()
    assert not asked.isVisible() and asked.under_way
    qtbot.waitSignal(asked.destroyed).wait()
    assert ("start", 3, "local") in manager.calls


def test_a_failure_is_shown_with_its_log_even_if_the_dialog_was_hidden(
    qtbot: Any, asked: Any, manager: FakeManager
) -> None:
    from PyQt5.QtGui import QGuiApplication
    from PyQt5.QtWidgets import QApplication

    log = "\n".join(f"line {n}" for n in range(40))
    manager.error = EnginesFailed("1 of 3 engines came up; 2 ended at once.", log, 3, 1)
    asked.start_button.click()
    asked.hide_button.click()
    qtbot.waitUntil(asked.error.isVisible)
    assert asked.isVisible() and not asked.under_way
    text, more = asked.error.message.text().splitlines()
    assert text == "1 of 3 engines came up; 2 ended at once."
    assert "parallelflow explain PF" in more
    assert asked.error.tail.toPlainText().splitlines()[-1] == "line 39"
    assert "line 3\n" not in asked.error.tail.toPlainText()
    asked.error.copy_button.click()
    assert QGuiApplication.clipboard().text() == log
    asked.error.read_button.click()
    whole = QApplication.activeModalWidget()
    assert whole.text.toPlainText() == log
    whole.close()
    assert asked.height() <= 520 and asked.width() <= 960
    manager.error = None
    asked.back_button.click()
    assert asked.start_button.isVisible() and not asked.error.isVisible()
    asked.start_button.click()
    qtbot.waitUntil(lambda: asked.view.line.text() == "All 3 engines are ready.")


def test_a_cluster_that_does_not_answer_is_told_and_engines_can_be_started_all_the_same(
    qtbot: Any, manager: FakeManager
) -> None:
    from parallelflow.gui.start_dialog import StartDialog

    manager.error = ConnectFailed("the controller does not answer")
    dialog = StartDialog(manager)
    dialog.open()
    qtbot.waitUntil(dialog.trouble.isVisible)
    assert dialog.trouble.text().splitlines()[0] == "The controller does not answer"
    qtbot.waitUntil(dialog.start_button.isEnabled)
    dialog.reject()


def test_too_many_engines_cannot_be_started(qtbot: Any, asked: Any, manager: FakeManager) -> None:
    manager.error = TooManyEngines("no room for 4000")
    asked.number.setValue(4000)
    qtbot.waitUntil(lambda: asked.notes.text().startswith("No room for 4000"))
    assert asked.preview.toPlainText() == "" and not asked.start_button.isEnabled()
    manager.error = None
    asked.number.setValue(2)
    qtbot.waitUntil(lambda: "x 2" in asked.preview.toPlainText())
    assert asked.notes.text() == "a note" and asked.start_button.isEnabled()


def test_none_and_more_than_there_are_cores_are_told(
    qtbot: Any, asked: Any, manager: FakeManager
) -> None:
    asked.number.setValue(0)
    qtbot.waitUntil(lambda: asked.warning.text().startswith("None would be started: "))
    assert asked.number.value() == 0 and not asked.start_button.isEnabled()
    assert asked.notes.isHidden()  # they were about what would be run
    asked.number.setValue(999)
    qtbot.waitUntil(lambda: asked.warning.text().startswith("999 engines share "))
    qtbot.waitUntil(asked.start_button.isEnabled)  # it may be meant
    asked.number.setValue(1)
    qtbot.waitUntil(lambda: asked.warning.isHidden() and asked.start_button.isEnabled())


def test_what_is_run_is_behind_a_button(qtbot: Any, asked: Any) -> None:
    assert not asked.preview.isVisible() and not asked.back_button.isVisible()
    asked.what_button.click()
    assert asked.preview.isVisible()
    qtbot.waitUntil(lambda: asked.height() >= asked.minimumSizeHint().height())
    assert asked.height() <= 520 and asked.width() <= 960
