"""The question before a start, from the window's thread and from others, and its progress."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from parallelflow.engine_manager.model import EngineStart, Stage, StartSnapshot, State
from parallelflow.settings import Settings
from tests.gui.conftest import FakeManager

pytestmark = pytest.mark.gui

SNAPSHOT = StartSnapshot(
    "default", "local", Stage.WAITING, (EngineStart(1), EngineStart(2))
)  # fmt: skip


class Desk:
    """An interaction with a window, and what it remembers."""

    def __init__(self, interaction: Any) -> None:
        self.interaction = interaction
        self.settings = Settings()
        self.remembered: dict[str, Any] = {}

    def asks(self) -> Any:
        """Return the question that is on the screen, or None."""
        return self.interaction._asking


@pytest.fixture
def desk(qtbot: Any, manager: FakeManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    from parallelflow.gui import interaction, main_window

    desk = Desk(interaction.WindowInteraction(manager))
    monkeypatch.setattr(interaction, "settings", lambda: desk.settings)
    monkeypatch.setattr(interaction, "remember", lambda **values: desk.remembered.update(values))
    monkeypatch.setattr(main_window, "main_window", lambda: None)
    yield desk
    desk.interaction.close()


def answer(desk: Desk, button: str, number: int | None = None) -> None:
    """Press a button of the question as soon as it is asked."""
    from PyQt5.QtCore import QTimer

    def attempt() -> None:
        asked = desk.asks()
        if asked is None or not asked.isVisible():
            QTimer.singleShot(10, attempt)
            return
        if number is not None:
            asked.number.setValue(number)
        getattr(asked, f"{button}_button").click()

    QTimer.singleShot(0, attempt)


@pytest.mark.parametrize(
    ("button", "number", "engines", "remembered"),
    [
        ("start", None, 4, {}),
        ("start", 7, 7, {}),
        ("not_now", None, 0, {}),
        ("always", None, 4, {"askToStart": False}),
        ("always", 2, 2, {"askToStart": False, "engines": 2}),
    ],
)
def test_the_question_is_answered_once_and_for_always_if_wanted(
    desk: Desk, button: str, number: int | None, engines: int, remembered: dict[str, Any]
) -> None:
    answer(desk, button, number)
    assert desk.interaction.engines_to_start("default", 4) == engines
    assert desk.remembered == remembered


def test_always_asks_no_more(desk: Desk) -> None:
    desk.settings = Settings(askToStart=False)
    assert desk.interaction.engines_to_start("default", 4) == 4
    assert desk.asks() is None


def test_a_controller_without_engines_is_told_of(desk: Desk, manager: FakeManager) -> None:
    from PyQt5.QtWidgets import QLabel

    from parallelflow.gui.ask_dialog import AskDialog

    for state, says in ((State.CONTROLLER, "has no engine"), (State.NO_CLUSTER, "No cluster runs")):
        dialog = AskDialog("default", 2, state)
        assert any(says in part.text() for part in dialog.findChildren(QLabel))
        dialog.deleteLater()


def test_another_thread_s_question_is_asked_on_the_window_s(qtbot: Any, desk: Desk) -> None:
    answers: list[int] = []
    thread = threading.Thread(
        target=lambda: answers.append(desk.interaction.engines_to_start("default", 4))
    )
    answer(desk, "start", 3)
    thread.start()
    qtbot.waitUntil(lambda: bool(answers))
    thread.join()
    assert answers == [3]


def test_who_waits_for_an_answer_gets_none_when_the_window_closes(qtbot: Any, desk: Desk) -> None:
    answers: list[int] = []
    thread = threading.Thread(
        target=lambda: answers.append(desk.interaction.engines_to_start("default", 4))
    )
    thread.start()
    time.sleep(0.1)
    desk.interaction.close()
    thread.join(60)
    assert answers == [0]


def test_a_start_is_shown_and_can_be_cancelled_while_this_thread_waits(
    qtbot: Any, desk: Desk
) -> None:
    interaction = desk.interaction
    assert not interaction.cancelled()
    thread = threading.Thread(target=interaction.starting, args=(SNAPSHOT,))
    thread.start()
    qtbot.waitUntil(lambda: interaction._starting is not None)
    shown = interaction._starting
    assert shown.isVisible() and shown.view.line.text() == "Starting the controller ..."
    assert not interaction.cancelled()
    ready = tuple(dataclasses.replace(e, stage=Stage.REGISTERED) for e in SNAPSHOT.engines)
    interaction.starting(dataclasses.replace(SNAPSHOT, controller=None, engines=ready))
    assert "VisTrails is ready on 0 of 2" in shown.view.line.text()
    shown.cancel_button.click()
    assert interaction.cancelled() and shown.isVisible()
    with qtbot.waitSignal(shown.destroyed):
        interaction.start_ended()
    # The next start is not cancelled by what was pressed in this one.
    answer(desk, "start")
    interaction.engines_to_start("default", 4)
    assert not interaction.cancelled()


def test_while_it_waits_the_window_lives(qtbot: Any, desk: Desk) -> None:
    from PyQt5.QtCore import QTimer

    turns: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: turns.append(time.monotonic()))
    timer.start(1)
    for _ in range(5):
        desk.interaction.cancelled()
        time.sleep(0.01)
    timer.stop()
    assert len(turns) >= 4


def test_vistrails_own_cancel_counts_as_well(
    qtbot: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PyQt5.QtWidgets import QProgressDialog

    from parallelflow.gui import main_window

    dialog = QProgressDialog()
    qtbot.addWidget(dialog)
    monkeypatch.setattr(main_window, "progress_dialogs", lambda: iter([dialog]))
    assert not desk.interaction.cancelled()
    dialog.cancel()
    assert desk.interaction.cancelled()
    # A run is not ended by it: VisTrails asks whether it is meant.
    assert not desk.interaction.leaving()
