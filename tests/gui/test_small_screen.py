"""Every state of our dialogs on a small screen, with long texts: it fits, and keys reach all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine_manager.model import (
    EngineStart,
    Inventory,
    LaunchPreview,
    Origin,
    ProfileInfo,
    RunningCluster,
    RunningProcess,
    ShutdownPlan,
    Stage,
    StartSnapshot,
    State,
)
from parallelflow.engine_manager.model.information import ClusterInfo, ControllerInfo, EngineInfo
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import ConnectFailed, EnginesFailed, TooManyEngines
from parallelflow.findings import FINE, NOTE, TO_DO, Finding
from parallelflow.loops.map_editing import PortName
from parallelflow.profile_setup.answers import LAUNCHERS
from parallelflow.profile_setup.profile_files import Written
from parallelflow.progress import Progress, RunState, Snapshot
from parallelflow.runs.table import RunTable
from tests.gui.conftest import FakeManager
from tests.gui.looking import look_at
from tests.gui.test_cluster_window import OURS

pytestmark = pytest.mark.gui

SCREEN = 1024, 600
#: What a dialog is made for: the rest of the screen has its frame and the desktop's own panel.
HEIGHT = 520
FOLDER = "/".join(["", "home", "somebody", *["a-project-with-a-long-name"] * 12])
HOST = "node-0123456789.rack-17.cluster.science.university.example"
PROFILE = "profile-" + "x" * 56
SENTENCE = f"The file '{FOLDER}/ipcontroller-engine.json' cannot be read on '{HOST}'."
TEXT = " ".join([SENTENCE] * 4)
LOG = "\n".join(f"{number} {SENTENCE}" for number in range(60))
FAILED = EnginesFailed(TEXT, LOG, 3, 1)

States = Iterator[tuple[str, Any]]
Walk = Callable[[Any, FakeManager], States]


def start_dialog(qtbot: Any, manager: FakeManager) -> States:
    from PyQt5.QtCore import QPoint, Qt

    from parallelflow.gui.start_dialog import StartDialog

    notes = (SENTENCE, f"Set 'c.SSHEngineSetLauncher.engines' in {FOLDER}/ipcluster_config.py.")

    def preview(name: str, n: int) -> LaunchPreview:
        script = "\n".join(f"#SBATCH --option={FOLDER}" for _ in range(20))
        return LaunchPreview(name, f"ipcontroller {FOLDER}", f"{name} {SENTENCE}", script, notes)

    manager.launch_preview = preview  # type: ignore[method-assign]
    manager.profile = PROFILE
    dialog = StartDialog(manager)
    dialog.open()
    qtbot.waitUntil(lambda: "local" in dialog.preview.toPlainText())
    yield "question", dialog
    dialog.launcher.setCurrentIndex(1)
    dialog.number.setValue(999)
    qtbot.waitUntil(lambda: "ssh" in dialog.preview.toPlainText())
    yield "ssh", dialog
    dialog.what_button.click()
    yield "what is run by ssh", dialog
    dialog.launcher.setCurrentIndex(0)
    qtbot.waitUntil(lambda: "local" in dialog.preview.toPlainText())
    yield "what is run, too many", dialog
    dialog._show_trouble(ConnectFailed(TEXT))
    yield "no connection", dialog
    dialog._show_preview((dialog._preview_number, TooManyEngines(TEXT)))
    yield "no room", dialog
    manager.error = FAILED
    dialog.start_button.setEnabled(True)
    dialog.start_button.click()
    qtbot.waitUntil(dialog.error.isVisible)
    # Its begin is in sight, and the rest comes by keys.
    qtbot.waitUntil(lambda: dialog.page.verticalScrollBar().value() > 0)
    assert dialog.error.message.visibleRegion().contains(QPoint(1, 1))
    yield "failed", dialog
    dialog.page.verticalScrollBar().setValue(0)
    assert dialog.error.read_button.visibleRegion().isEmpty()
    dialog.page.setFocus()
    for _ in range(60):
        qtbot.keyClick(dialog.page, Qt.Key_Down)
    assert not dialog.error.read_button.visibleRegion().isEmpty()
    dialog.view.table.show()
    dialog.view.show_snapshot(starting())
    yield "failed after a while", dialog


def starting() -> StartSnapshot:
    engines = tuple(EngineStart(n, Stage.REGISTERED, 4711, n, HOST) for n in range(1, 33))
    jobs = tuple(f"job {n} (slurm): queued: Resources, {SENTENCE}" for n in range(4))
    return StartSnapshot(PROFILE, "ssh", Stage.REGISTERED, (EngineStart(0), *engines), jobs)


def questions_before_work(qtbot: Any, manager: FakeManager) -> States:
    from parallelflow.gui.ask_dialog import AskDialog, StartingDialog

    for state, profile in ((State.NO_CLUSTER, "default"), (State.CONTROLLER, PROFILE)):
        asked = AskDialog(profile, 999, state)
        asked.open()
        qtbot.waitUntil(lambda asked=asked: not asked.page.verticalScrollBar().maximum())
        yield state.value, asked
        asked.close()
        asked.deleteLater()
    shown = StartingDialog()
    shown.open()
    shown.view.show_snapshot(starting())
    yield "starting", shown
    shown.end()


def setup_dialog(qtbot: Any, manager: FakeManager) -> States:
    from parallelflow.gui.setup_dialog import SetupDialog

    dialog = SetupDialog(PROFILE)
    dialog.open()
    for number, launcher in enumerate(LAUNCHERS):
        dialog.launcher.setCurrentIndex(number)
        for field in dialog.fields.values():
            (field.setEditText if hasattr(field, "setEditText") else field.setText)(FOLDER)
        yield launcher, dialog
        dialog.findings.show()
        files = (Path("ipcluster_config.py"),)
        dialog._show(Written(Path(FOLDER), files, (TEXT,)))
        yield f"{launcher}, written", dialog
        for state in (FINE, NOTE, TO_DO) * 4:
            dialog._show(Finding(state, SENTENCE, (SENTENCE,)))
        dialog._tests = True
        dialog._end()
        yield f"{launcher}, found", dialog
        dialog._fail(FAILED)
        yield f"{launcher}, failed", dialog
        dialog.error.hide()
        dialog.findings.clear()


def profile_dialog(qtbot: Any, manager: FakeManager) -> States:
    from parallelflow.gui.profile_dialog import ProfileDialog

    manager.profile = PROFILE
    clusters = tuple(RunningCluster("", Origin.EXTERNAL, HOST) for _ in range(3))
    manager.known = [ProfileInfo(f"{PROFILE}{n}", FOLDER, False, True, clusters) for n in range(40)]
    dialog = ProfileDialog(manager, lambda name: None)
    dialog.open()
    qtbot.waitUntil(lambda: len(dialog.profiles) == 40)
    yield "list", dialog
    dialog.name.setText("a b" * 21)
    yield "a wrong name", dialog
    dialog._fail(FAILED)
    yield "failed", dialog


def cleanup_dialog(qtbot: Any, manager: FakeManager) -> States:
    from parallelflow.gui.cleanup_dialog import Choice, CleanupDialog

    manager.profile = PROFILE
    manager.found = Inventory(
        PROFILE,
        tuple(
            RunningProcess("engine", n, f"{n}-{HOST}", origin, time.time(), f"engine {n}")
            for origin in Origin
            for n in range(30)
        ),
        3,
    )
    dialog = CleanupDialog(manager, why=f"Before the session changes to '{PROFILE}':")
    dialog.open()
    qtbot.waitUntil(lambda: dialog.inventory is not None)
    yield "what runs", dialog
    dialog._did((Choice.STOP, [*range(10**6, 10**6 + 60), *(f"job {HOST}" for _ in range(20))]))
    yield "what did not stop", dialog
    dialog._fail(FAILED)
    yield "failed", dialog


def shutdown_dialog(qtbot: Any, manager: FakeManager) -> States:
    from parallelflow.gui.shutdown_dialog import ShutdownDialog

    manager.profile = PROFILE
    manager.plan = ShutdownPlan(PROFILE, {f"{n}-{HOST}": 8 for n in range(60)}, 7, True)
    dialog = ShutdownDialog(manager)
    dialog.open()
    qtbot.waitUntil(dialog.shutdown_button.isEnabled)
    yield "what would end", dialog
    dialog._did([f"engine {n} ({HOST})" for n in range(60)])
    yield "what did not stop", dialog
    dialog._fail(FAILED)
    yield "failed", dialog


def map_dialog(qtbot: Any, manager: FakeManager) -> States:
    from parallelflow.gui.map_dialog import MapDialog

    ports = [PortName(f"{'a_port_of_a_long_name' * 3}{n}", "Float, Integer") for n in range(30)]
    dialog = MapDialog("A module with a long name " * 4, ports, ports)
    dialog.open()
    yield "ports", dialog
    for row in range(30):
        dialog.form.inputs.item(row).setCheckState(2)
    yield "all chosen", dialog


def a_log_and_an_element(qtbot: Any, manager: FakeManager) -> States:
    from PyQt5.QtWidgets import QWidget

    from parallelflow.gui.element_dialog import ElementDialog
    from parallelflow.gui.parts import LogDialog

    parent = QWidget()
    qtbot.addWidget(parent)
    log = LogDialog(LOG, parent)
    log.open()
    yield "log", log
    log.close()
    run = Progress("A label of a loop that is long " * 4, 3)
    element = ElementDialog(RunTable(run), 1, lambda: None, parent)
    element.text.setPlainText(LOG)
    element.open()
    yield "element", element
    element.close()


def cluster_window(qtbot: Any, manager: FakeManager) -> States:
    from PyQt5.QtWidgets import QApplication

    from parallelflow.gui.cluster_window import ClusterWindow

    manager.state = State.ENGINES
    run = Snapshot(1, "A label of a loop " * 5, RunState.RUNNING, 200, 50, 2, 4, 10.0, 26.0)
    controller = ControllerInfo(Origin.OTHER_SESSION, "", f"{HOST}:5000", HOST, 77, True, True)
    manager.information = ClusterInfo(
        PROFILE,
        State.ENGINES,
        controller,
        tuple(EngineInfo(n, Origin.EXTERNAL, HOST, "Linux", busy=True) for n in range(60)),
        OURS,
        warnings=(SENTENCE,) * 5,
        runs=(run,) * 6,
    )
    window = ClusterWindow(manager)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.info is not None)
    yield "engines", window
    window._did(TEXT)
    qtbot.waitUntil(lambda: not window.said.visibleRegion().isEmpty())
    yield "failed", window
    window.table.selectAll()
    window.stop_button.click()
    box = QApplication.activeModalWidget()
    yield "stop all", box
    box.close()


def runs_panel(qtbot: Any, manager: FakeManager) -> States:
    from parallelflow.gui.runs_panel import RunsPanel

    panel = RunsPanel(lambda: None, lambda: None, lambda place: None, lambda place: True)
    qtbot.addWidget(panel)
    panel.show()
    for number in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(number)
        yield panel.tabs.tabText(number), panel
    panel._say(TEXT)
    yield "not written", panel
    assert "".join(panel.line.toolTip().split()) == "".join(TEXT.split())  # it is wrapped
    panel._say("'run.html' was written.")
    assert (panel.line.text(), panel.line.toolTip()) == ("'run.html' was written.", "")


WALKS: list[Walk] = [
    start_dialog,
    questions_before_work,
    setup_dialog,
    profile_dialog,
    cleanup_dialog,
    shutdown_dialog,
    map_dialog,
    a_log_and_an_element,
    cluster_window,
    runs_panel,
]


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_each_state_fits_a_small_screen(qtbot: Any, manager: FakeManager, walk: Walk) -> None:
    from parallelflow.gui.scrolled_page import ScrolledPage

    faults = []
    try:
        for name, widget in walk(qtbot, manager):
            for _ in range(4):
                qtbot.wait(5)
            folder = os.environ.get("PICTURES")
            if folder:
                widget.grab().save(f"{folder}/{walk.__name__}-{name.replace('&', '')}.png")
            try:
                look_at(widget, SCREEN)
                for page in widget.findChildren(ScrolledPage):
                    assert widget.height() <= HEIGHT and widget.width() <= 960
                    wide = page.horizontalScrollBar().maximum()
                    assert not wide, f"{wide} pixels of its width are not in sight"
            except AssertionError as e:
                faults.append(f"{name}: {widget.width()} x {widget.height()} {str(e)[:700]}")
    finally:
        shutil.rmtree(profiles.profile_folder(PROFILE), ignore_errors=True)
    assert not faults, "\n".join(["", *faults])
