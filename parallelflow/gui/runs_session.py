"""Where the panel Runs is shown, and when it comes up by itself."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import QObject, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QAction, QApplication, QDockWidget

from parallelflow.progress import MOST_RECENT, Progress, RunState, Snapshot, listen, recent
from parallelflow.runs.history import remember_runs
from parallelflow.runs.report import About
from parallelflow.trace import Place

from . import main_window, notices
from .parts import plain, sentence
from .run_about import about_run
from .run_again import run_all_again, run_failed_again
from .runs_panel import RunsPanel

__all__ = ["RunsSession"]

HEIGHT, FLOATING = 220, QSize(860, 320)


class RunsSession(QObject):
    """Shows the panel in VisTrails' window; beside its progress dialog, in one of its own.

    VisTrails' progress dialog takes the input of its main window, with all that is in it.

    Parameters
    ----------
    entries : sequence of QAction
        The menu's entries, whose keys the window of its own has, too.
    """

    _over = pyqtSignal(object)

    def __init__(self, entries: Sequence[QAction] = ()) -> None:
        super().__init__()
        self._entries = list(entries)
        self.dock: QDockWidget | None = None
        self.own: RunsPanel | None = None
        self._notices = notices.Notices()
        self._ended: deque[int] = deque(maxlen=MOST_RECENT)
        self._abouts: dict[int, About] = {}
        self._over.connect(self._end, Qt.QueuedConnection)
        self._stop_listening = listen(self._take)

    def show(self) -> RunsPanel:
        """Show the panel where it can be used now."""
        window = main_window.main_window()
        if window is None or any(True for _ in main_window.progress_dialogs()):
            return self._show_own()
        return self._show_dock(window)

    def _show_own(self) -> RunsPanel:
        if self.own is None or sip.isdeleted(self.own):
            self.own = self._panel()
            self.own.setWindowFlag(Qt.Window)
            self.own.addActions(self._entries)
            self.own.resize(860, 420)
        self.own.show()
        self.own.raise_()
        self.own.activateWindow()
        return self.own

    def _show_dock(self, window: Any) -> RunsPanel:
        if self.dock is None or sip.isdeleted(self.dock):
            self.dock = dock = QDockWidget("Runs", window)
            dock.setObjectName("parallelflow-runs")
            dock.setAllowedAreas(Qt.AllDockWidgetAreas)
            dock.setWidget(self._panel())
            needed = window.minimumSizeHint().height() + dock.minimumSizeHint().height()
            window.addDockWidget(Qt.BottomDockWidgetArea, dock)
            if needed > max(window.height(), window.screen().availableSize().height()):
                dock.setFloating(True)  # on a small screen the window would grow past it
                dock.resize(FLOATING)
            else:
                window.resizeDocks([dock], [HEIGHT], Qt.Vertical)
        self.dock.show()
        self.dock.raise_()
        panel: Any = self.dock.widget()
        panel.refresh()
        return panel

    def _panel(self) -> RunsPanel:
        return RunsPanel(_cancel, run_failed_again, run_all_again, _go_to, self._about_run)

    def _about_run(self, run: Progress) -> About:
        """Return what the report of a run tells of its workflow, as it was when the run ended."""
        known = self._abouts.get(run.run)
        if known is None:
            known = About(run.label)
            with contextlib.suppress(Exception):  # the vistrail may be closed
                known = about_run(run, _controller())
        return known

    # -- the end of a run ---------------------------------------------------------------------

    def _take(self, snapshot: Snapshot) -> None:
        """Take an announcement, in the thread of its run."""
        if snapshot.state.is_finished:
            self._over.emit(snapshot)

    def _end(self, snapshot: Snapshot) -> None:
        run = next((run for run in recent() if run.run == snapshot.run), None)
        if run is not None and run.run not in self._ended:
            self._ended.append(run.run)  # what a run says after its end announces it again
            self._note_end(run)

    def _note_end(self, run: Progress) -> None:
        """Note a run once it is known whether the loop goes on without what has failed."""
        snapshot = run.snapshot()
        executing = any(True for _ in main_window.progress_dialogs())
        if snapshot.state is RunState.FAILED and not run.left_out and executing:
            QTimer.singleShot(100, lambda: self._note_end(run))
            return
        if run.left_out:
            snapshot = replace(snapshot, state=RunState.DONE)
        workflow = ""
        with contextlib.suppress(Exception):  # a session without a file
            workflow = str(_controller().locator.name) if run.trace.place is not None else ""
        remember_runs([run], workflow)
        kept = {other.run for other in recent()}
        self._abouts = {n: about for n, about in self._abouts.items() if n in kept}
        self._abouts[run.run] = self._about_run(run)  # another vistrail may be in front later
        if notices.wanted(snapshot):
            self._notices.show(snapshot, workflow)
            window = main_window.main_window()
            if window is not None:
                QApplication.alert(window)
        if snapshot.state is RunState.FAILED and run.trace.place is not None:
            self._show_failure()

    def _show_failure(self) -> None:
        """Show the first failed element; VisTrails' progress dialog has gone."""
        if main_window.main_window() is not None:
            _explain(recent()[-1])
            panel = self.show()
            panel.choose_latest()
            panel.show_failure()

    def close(self) -> None:
        """Take the panel away."""
        self._stop_listening()
        self._over.disconnect()
        for widget in (self.dock, self.own):
            if widget is not None and not sip.isdeleted(widget):
                widget.hide()
                sip.delete(widget)
        self.dock = self.own = None
        self._notices.close()


def _controller() -> Any:
    return main_window.main_window().get_current_controller()


def _cancel() -> None:
    for dialog in main_window.progress_dialogs():
        dialog.cancel()


def _explain(run: Progress) -> None:
    """Say in the failed module's tooltip, with which *Show Error* begins, which element it was."""
    place, failures = run.trace.place, run.trace.failures
    scene = getattr(_controller(), "current_pipeline_scene", None)
    if place is None or not failures or scene is None:
        return
    failure = failures[min(failures)]
    item = scene.modules.get(failure.detail.module) or scene.modules.get(place.function)
    if item is not None and plain(str(failure)) not in item.toolTip():
        item.setToolTip(plain(sentence(str(failure))))


def _go_to(place: Place) -> bool:
    """Select the function of a run in the workflow; return False if it is not there."""
    window = main_window.main_window()
    controller = _controller()
    if controller.current_version != place.version:
        if place.version not in controller.vistrail.actionMap:
            return False
        controller.change_selected_version(place.version)
    scene = controller.current_pipeline_scene
    if place.function not in scene.modules:
        return False
    window.qactions["pipeline"].trigger()
    scene.clearSelection()
    item = scene.modules[place.function]
    item.setSelected(True)
    for view in scene.views():
        view.centerOn(item)
    return True
