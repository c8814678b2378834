"""Change profile, Cleanup started processes, Request cluster shutdown: the dialogs' own logic."""

from __future__ import annotations

import time
from typing import Any

import pytest

from parallelflow.engine_manager.model import (
    Inventory,
    Origin,
    ProfileInfo,
    RunningCluster,
    RunningProcess,
    ShutdownPlan,
    State,
)
from parallelflow.errors import ClusterError, ProfileError
from tests.gui.conftest import FakeManager

pytestmark = pytest.mark.gui


def process(kind: str, pid: int, origin: Origin) -> RunningProcess:
    return RunningProcess(kind, pid, "here", origin, time.time(), f"{kind} {pid}")


OURS = Inventory(
    "default",
    (process("controller", 11, Origin.THIS_SESSION), process("engine", 12, Origin.THIS_SESSION)),
)
LEFT = Inventory("default", (process("engine", 13, Origin.DETACHED),))
FOREIGN = Inventory("default", (process("engine", 14, Origin.OTHER_SESSION),))


# -- Cleanup started processes -----------------------------------------------------------------


def cleanup(qtbot: Any, manager: FakeManager) -> Any:
    from parallelflow.gui.cleanup_dialog import CleanupDialog

    dialog = CleanupDialog(manager)
    dialog.open()
    qtbot.waitUntil(lambda: dialog.inventory is not None)
    return dialog


def test_cleanup_says_what_runs_and_where_it_came_from(qtbot: Any, manager: FakeManager) -> None:
    manager.found = Inventory("default", OURS.processes + LEFT.processes + FOREIGN.processes, 1)
    dialog = cleanup(qtbot, manager)
    assert dialog.text.text().splitlines() == [
        "On the profile 'default':",
        "1 controller and 1 engine on here, started here.",
        "1 engine on here, left running.",
        "1 engine on here, started by another session of Parallel Flow.",
        "What others have started is left alone.",
        "1 Map run is under way: to stop the engines ends it with an error.",
    ]
    rows = [dialog.table.topLevelItem(n) for n in range(4)]
    assert [row.text(1) for row in rows] == ["11", "12", "13", "14"]
    assert rows[3].text(3) == "started by another session of Parallel Flow"
    assert dialog.cancel_button.isDefault()


@pytest.mark.parametrize(("button", "call"), [("stop", "cleanup"), ("leave", "leave")])
def test_cleanup_does_what_was_chosen(
    qtbot: Any, manager: FakeManager, button: str, call: str
) -> None:
    manager.found = OURS
    dialog = cleanup(qtbot, manager)
    with qtbot.waitSignal(dialog.settled):
        getattr(dialog, f"{button}_button").click()
    assert [each for each in manager.calls if each != ("inventory",)] == [(call,)]
    qtbot.waitUntil(lambda: not dialog.isVisible())


def test_cleanup_cancelled_changes_nothing(qtbot: Any, manager: FakeManager) -> None:
    from PyQt5.QtCore import Qt

    manager.found = OURS
    dialog = cleanup(qtbot, manager)
    qtbot.keyClick(dialog, Qt.Key_Escape)
    assert not dialog.isVisible()
    assert manager.calls == [("inventory",)]


@pytest.mark.parametrize(
    ("found", "stop", "leave"),
    [(LEFT, True, False), (FOREIGN, False, False), (Inventory("default"), False, False)],
)
def test_cleanup_offers_what_there_is_to_choose(
    qtbot: Any, manager: FakeManager, found: Inventory, stop: bool, leave: bool
) -> None:
    manager.found = found
    dialog = cleanup(qtbot, manager)
    assert (dialog.stop_button.isEnabled(), dialog.leave_button.isEnabled()) == (stop, leave)
    if not stop:
        assert "Nothing that Parallel Flow may stop runs" in dialog.text.text()


def test_cleanup_stays_while_it_works_and_tells_what_did_not_stop(
    qtbot: Any, manager: FakeManager
) -> None:
    from PyQt5.QtCore import Qt

    manager.found, manager.left = OURS, [12]
    dialog = cleanup(qtbot, manager)
    manager.go_on.clear()
    dialog.stop_button.click()
    qtbot.keyClick(dialog, Qt.Key_Escape)
    assert dialog.isVisible()
    manager.go_on.set()
    qtbot.waitUntil(lambda: "pid 12" in dialog.text.text())
    dialog.cancel_button.click()
    assert not dialog.isVisible()


def test_cleanup_tells_why_nothing_can_be_left_running(qtbot: Any, manager: FakeManager) -> None:
    manager.found = OURS
    dialog = cleanup(qtbot, manager)
    manager.error = ProfileError("the processes cannot be left running: the disk is full")
    dialog.leave_button.click()
    qtbot.waitUntil(dialog.error.isVisible)
    assert "the disk is full" in dialog.error.message.text()


# -- Change profile ----------------------------------------------------------------------------

CLUSTER = (RunningCluster("", Origin.EXTERNAL, "afar"),)


@pytest.fixture
def remembered() -> list[str]:
    return []


@pytest.fixture
def chooser(qtbot: Any, manager: FakeManager, remembered: list[str]) -> Any:
    from parallelflow.gui.profile_dialog import ProfileDialog

    manager.known = [
        ProfileInfo("default", "/profiles/default", True, False),
        ProfileInfo("big", "/profiles/big", False, True, CLUSTER),
    ]
    dialog = ProfileDialog(manager, remembered.append)
    dialog.open()
    qtbot.waitUntil(lambda: len(dialog.profiles) == 2)
    return dialog


def choose(chooser: Any, row: int) -> None:
    chooser.table.setCurrentItem(chooser.table.topLevelItem(row))


def test_profiles_are_listed_with_what_runs(chooser: Any) -> None:
    assert chooser.chosen() == "default" and not chooser.use_button.isEnabled()
    assert chooser.table.topLevelItem(0).text(0) == "default (in use)"
    assert chooser.table.topLevelItem(1).text(1) == "runs on afar, started elsewhere"


def test_without_a_cluster_the_profile_changes_at_once_and_is_remembered(
    qtbot: Any, chooser: Any, manager: FakeManager, remembered: list[str]
) -> None:
    choose(chooser, 1)
    with qtbot.waitSignal(chooser.changed_to):
        chooser.use_button.click()
    assert manager.calls[-1] == ("change", "big", False)
    assert remembered == ["big"]
    assert ("cleanup",) not in manager.calls


@pytest.mark.parametrize("leave", [True, False])
def test_a_connected_cluster_is_asked_about_first(
    qtbot: Any, chooser: Any, manager: FakeManager, remembered: list[str], leave: bool
) -> None:
    manager.state, manager.found = State.ENGINES, OURS
    choose(chooser, 1)
    chooser.use_button.click()
    qtbot.waitUntil(lambda: chooser.question is not None)
    question = chooser.question
    qtbot.waitUntil(question.stop_button.isEnabled)
    assert "changes to 'big'" in question.why.text()
    with qtbot.waitSignal(chooser.changed_to):
        (question.leave_button if leave else question.stop_button).click()
    assert manager.calls[-1] == ("change", "big", leave)
    assert (("cleanup",) in manager.calls) == (not leave)
    assert remembered == ["big"]


def test_cancelled_everything_stays_as_it_was(
    qtbot: Any, chooser: Any, manager: FakeManager, remembered: list[str]
) -> None:
    manager.state, manager.found = State.ENGINES, FOREIGN
    choose(chooser, 1)
    chooser.use_button.click()
    qtbot.waitUntil(lambda: chooser.question is not None)
    question = chooser.question
    qtbot.waitUntil(question.leave_button.isEnabled)
    assert not question.stop_button.isEnabled()
    question.cancel_button.click()
    chooser.cancel_button.click()
    assert manager.profile == "default" and not remembered
    assert {call[0] for call in manager.calls} <= {"profiles", "inventory"}


def test_what_fails_leaves_everything_as_it_was(
    qtbot: Any, chooser: Any, manager: FakeManager, remembered: list[str]
) -> None:
    choose(chooser, 1)
    manager.error = ClusterError("it does not work", "a log")
    chooser.use_button.click()
    qtbot.waitUntil(chooser.error.isVisible)
    assert chooser.isVisible() and chooser.use_button.isEnabled()
    assert manager.profile == "default" and not remembered


def test_a_new_profile_is_made_by_enter_and_chosen(
    qtbot: Any, chooser: Any, manager: FakeManager
) -> None:
    from PyQt5.QtCore import Qt

    for wrong in ("../x", "big", ".", "a b"):
        chooser.name.setText(wrong)
        assert not chooser.create_button.isEnabled() and chooser.hint.isVisible()
    chooser.name.setText("new")
    assert chooser.hint.isHidden()
    chooser.name.setFocus()
    qtbot.keyClick(chooser.name, Qt.Key_Return)
    qtbot.waitUntil(lambda: chooser.chosen() == "new")
    assert manager.calls.count(("create", "new")) == 1
    assert chooser.isVisible() and manager.profile == "default"


# -- Request cluster shutdown ------------------------------------------------------------------


def shutdown(qtbot: Any, manager: FakeManager, plan: ShutdownPlan | None) -> Any:
    from parallelflow.gui.shutdown_dialog import ShutdownDialog

    manager.plan = plan
    dialog = ShutdownDialog(manager)
    dialog.open()
    qtbot.waitUntil(lambda: "Asking" not in dialog.text.text())
    return dialog


PLAN = ShutdownPlan("default", {"afar": 2, "here": 1}, 7, True)


def test_a_shutdown_warns_of_engines_hosts_and_tasks(qtbot: Any, manager: FakeManager) -> None:
    dialog = shutdown(qtbot, manager, PLAN)
    assert dialog.text.text().splitlines() == [
        "The hub stops the controller and 3 engines on 2 hosts: afar (2), here (1).",
        "7 tasks running or waiting will be lost.",
        "Not all of it was started here: other sessions or people may be using it, too.",
    ]
    assert dialog.cancel_button.isDefault()
    with qtbot.waitSignal(dialog.destroyed):
        dialog.shutdown_button.click()
    assert manager.calls[-1] == ("shutdown",)


def test_a_shutdown_tells_what_did_not_stop(qtbot: Any, manager: FakeManager) -> None:
    dialog = shutdown(qtbot, manager, PLAN)
    manager.left = ["engine 3 (afar)"]
    dialog.shutdown_button.click()
    qtbot.waitUntil(lambda: "engine 3 (afar)" in dialog.text.text())
    assert dialog.cancel_button.isEnabled() and not dialog.shutdown_button.isEnabled()


def test_without_a_cluster_there_is_nothing_to_shut_down(qtbot: Any, manager: FakeManager) -> None:
    dialog = shutdown(qtbot, manager, None)
    assert "nothing to shut down" in dialog.text.text()
    assert not dialog.shutdown_button.isEnabled()
