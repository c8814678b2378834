"""What of Parallel Flow is open in VisTrails' window, and how it is closed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import QObject, QTimer
from PyQt5.QtWidgets import QApplication, QDialog, QWidget
from vistrails.core.interpreter.cached import CachedInterpreter

from parallelflow.engine_manager import get_manager
from parallelflow.engine_manager.interaction import ConsoleInteraction
from parallelflow.settings import remember
from parallelflow.system.collection import leave_start_out

from . import main_window, package_reload, tasks
from .assistant import ParallelAssistant
from .canvas_mark import CanvasMark
from .configuration_page import ConfigurationPage
from .entries import Entry, LoopEntry, MapEntry
from .exploration import Explorations
from .interaction import WindowInteraction
from .log_messages import LogMessages
from .loop_choice import ModuleOption, all_loops, choose_all_loops
from .main_window_parts import MainWindowParts
from .map_actions import MapActions
from .map_progress import MapProgress
from .menu import Menu
from .module_menu import ModuleMenu
from .runs_session import RunsSession
from .window_menu import WindowMenu

__all__ = ["close", "entries", "is_shown", "session"]

# Tasks give up when the manager stops; the longest of its steps (ending a process that hangs
# in the system) takes this long.
END_SECONDS = 10.0

# The line in the status bar follows the cluster; reading what is known costs nothing.
LOOK_MS = 1000

# The window and its first file have been opened by then.
SETTLED_MS = 1500

# How long the status bar says that a start in the background has ended.
SAID_MS = 20_000

is_shown = main_window.is_shown


class Session(QObject):
    """The dialogs that are open, one of each kind, and what listens to the engine manager.

    Parameters
    ----------
    manager : EngineManager
        What they show and change.
    """

    def __init__(self, manager: Any) -> None:
        super().__init__()
        self.manager = manager
        self.interaction = WindowInteraction(manager)
        manager.interaction = self.interaction
        self.log_messages = LogMessages()
        self.maps = MapActions()
        self.menu = Menu(manager, self.open, self.maps.states)
        self.module_menu = ModuleMenu(self.maps)
        self.module_option = ModuleOption()
        self.canvas_mark = CanvasMark()
        self.assistant = ParallelAssistant()
        self.explorations = Explorations(all_loops)
        QTimer.singleShot(SETTLED_MS, _leave_start_out)
        self.configuration_page = ConfigurationPage()
        self.package_reload = package_reload.PackageReload()
        self.parts = MainWindowParts()
        self.timer = QTimer(self)
        self.timer.setInterval(LOOK_MS)
        self.timer.timeout.connect(self._show_engines)
        self.timer.start()
        own = list(self.menu.own.values())
        self.runs = RunsSession(own)
        self.progress = MapProgress(self.runs.show, own)
        self.dialogs: dict[Entry, Any] = {}
        self.window_menu = WindowMenu(self._own_windows)

    def open(self, entry: Entry) -> None:
        """Open the dialog of an entry, or show the one that is open."""
        if entry is Entry.RUNS:
            self.runs.show()
            return
        dialog = self._open_dialog(entry)
        if dialog is None:
            dialog = self.dialogs[entry] = self._make(entry)
            if isinstance(dialog, QDialog):
                dialog.finished.connect(self.menu.follow)
            else:
                _put_aside(dialog)
        if isinstance(dialog, QDialog):
            if entry is Entry.START and not dialog.isVisible():
                dialog.setParent(self._lasting_window(), dialog.windowFlags())
            # Modal to its window without a nested event loop, which would hold a Map up.
            dialog.open()
        else:
            dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    def _open_dialog(self, entry: Entry) -> Any:
        dialog = self.dialogs.get(entry)
        return None if dialog is None or sip.isdeleted(dialog) else dialog

    def _own_windows(self) -> list[QWidget]:
        windows = (self._open_dialog(Entry.INFORMATION), self.runs.own)
        return [w for w in windows if w is not None and not sip.isdeleted(w)]

    def _lasting_window(self) -> Any:
        """Return the window that is worked in, of those that are there until the session ends."""
        information = self._open_dialog(Entry.INFORMATION)
        # A dialog comes up together with its parent: not with the main window over this one.
        if information is not None and information is QApplication.activeWindow():
            return information
        return main_window.main_window()

    def _make(self, entry: Entry) -> Any:
        parent = main_window.parent_for_dialogs()
        if entry is Entry.INFORMATION:
            from .cluster_window import ClusterWindow

            others = [action for e, action in self.menu.own.items() if e is not entry]
            return ClusterWindow(self.manager, others)
        if entry is Entry.START:
            from .start_dialog import StartDialog

            # It may be hidden while the start goes on, so its parent must stay.
            dialog = StartDialog(self.manager, self._lasting_window())
            dialog.ended_unseen.connect(self._tell_start)
            dialog.changed.connect(self._note_start)
            return dialog
        if entry is Entry.PROFILE:
            from .profile_dialog import ProfileDialog

            return ProfileDialog(self.manager, lambda name: remember(profile=name), parent)
        if entry is Entry.CLEANUP:
            from .cleanup_dialog import CleanupDialog

            return CleanupDialog(self.manager, parent)
        from .shutdown_dialog import ShutdownDialog

        return ShutdownDialog(self.manager, parent)

    def _show_engines(self) -> None:
        link = self.manager.cluster.connection
        engines = 0 if link is None else len(link.ids)
        self.parts.show(self.manager.profile, self.manager.state, engines)

    def _tell_start(self, text: str) -> None:
        window = main_window.main_window()
        if window is not None:
            window.statusBar().showMessage(f"Parallel Flow: {text}", SAID_MS)

    def _note_start(self) -> None:
        dialog = self.dialogs.get(Entry.START)
        self.menu.starting = dialog is not None and dialog.under_way
        self.menu.dress()
        self.menu.look()

    def close(self) -> None:
        """Close everything; nothing of it is left, no thread and no timer."""
        self.log_messages.close()
        self.progress.close()
        self.runs.close()
        self.maps.close()
        self.module_menu.close()
        self.module_option.close()
        self.canvas_mark.close()
        self.explorations.close()
        if not package_reload.under_way():
            choose_all_loops(False)
        self.assistant.close()
        self.configuration_page.close()
        self.package_reload.close()
        self.timer.stop()
        self.parts.close()
        self.window_menu.close()
        self.menu.close()
        self.interaction.close()
        self.manager.interaction = ConsoleInteraction()
        for dialog in self.dialogs.values():
            if not sip.isdeleted(dialog):
                dialog.blockSignals(True)
                dialog.hide()
                sip.delete(dialog)
        self.dialogs.clear()


def _put_aside(window: Any) -> None:
    """Put a window into the main window's lower right corner: the toolbar is at the top."""
    behind = main_window.main_window()
    if behind is not None:
        corner = behind.frameGeometry().bottomRight()
        window.move(max(corner.x() - window.width(), 0), max(corner.y() - window.height(), 0))


_session: Session | None = None


def session() -> Session:
    """Return the window's session, made at the first call."""
    global _session
    if _session is None:
        _session = Session(get_manager())
    return _session


def entries() -> tuple[tuple[str, Callable[..., None]], ...]:
    """Return the menu's entries as VisTrails takes them, and begin the session."""
    session()
    dialogs = [(entry.value, _opener(entry)) for entry in Entry]
    changes = [(entry.value, _changer(entry)) for entry in MapEntry]
    return (*dialogs, *changes, (LoopEntry.RUN_ALL.value, choose_all_loops))


def _opener(entry: Entry) -> Callable[..., None]:
    def open_entry(checked: bool = False) -> None:
        session().open(entry)

    return open_entry


def _changer(entry: MapEntry) -> Callable[..., None]:
    def change_workflow(checked: bool = False) -> None:
        session().maps.do(entry)

    return change_workflow


def _leave_start_out() -> None:
    """Leave the window's own objects out of the search for garbage.

    Not after an execution: its modules are freed by that search only.
    """
    if not CachedInterpreter.get()._objects:
        leave_start_out()


def close(stop: Callable[[], object]) -> bool:
    """End the session, if there is one, and stop the cluster without freezing the window.

    Parameters
    ----------
    stop : callable
        Stops what was started; called in a thread.

    Returns
    -------
    bool
        Whether it was stopped: not while the package is reloaded.
    """
    global _session
    ended, _session = _session, None
    if ended is not None:
        ended.close()
    reloaded = package_reload.under_way()
    if not reloaded:
        main_window.in_thread_of_its_own(stop, "parallelflow-stop")
    tasks.end_all(END_SECONDS)
    if ended is not None:
        sip.delete(ended.menu)
        sip.delete(ended.interaction)
        sip.delete(ended)
    return not reloaded
