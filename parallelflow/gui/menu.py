"""The menu Packages / Parallel Flow: what VisTrails builds of it, greyed by state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import QObject, QTimer, pyqtSignal
from PyQt5.QtGui import QGuiApplication, QKeySequence
from PyQt5.QtWidgets import QAction

from . import main_window
from .cluster_manager import ClusterManager
from .entries import SHORTCUTS, TIPS, Entry, LoopEntry, MapEntry, Situation, enabled
from .loop_choice import all_loops
from .tasks import Task

__all__ = ["Menu"]

# After a change of state, and after the package was enabled; changes come in bursts.
LOOK_MS = 300

TEXTS: dict[str, Entry | MapEntry | LoopEntry] = {
    entry.value: entry for entry in (*Entry, *MapEntry, *LoopEntry)
}

#: The first entry of each part of the menu but the first part.
FIRST = (MapEntry.MAP_OVER, LoopEntry.RUN_ALL)

States = Callable[[], dict[MapEntry, tuple[str, bool]]]
"""Returns the text of each entry about Maps, and whether it can be used on what is selected."""


class Menu(QObject):
    """Finds the entries that VisTrails has made and keeps them true.

    Parameters
    ----------
    manager : EngineManager
        Whose state counts.
    open_entry : callable
        Called with the `Entry` that was chosen.
    map_states : callable
        See `States`.

    Attributes
    ----------
    own : dict of Entry to QAction
        The same entries as actions of ours, for other windows.
    """

    _state_changed = pyqtSignal()

    def __init__(
        self, manager: ClusterManager, open_entry: Callable[[Entry], None], map_states: States
    ) -> None:
        super().__init__()
        self._map_states = map_states
        self._about_maps: dict[QAction, MapEntry] = {}
        self._manager = manager
        self.starting = False
        self._to_clean = self._running = True  # until it is known
        self._task: Task | None = None
        self._dressed: set[Any] = set()
        self.own: dict[Entry, QAction] = {}
        for entry in Entry:
            action = QAction(entry.value, self)
            action.setToolTip(TIPS[entry])
            action.setShortcut(QKeySequence(SHORTCUTS.get(entry, "")))
            action.triggered.connect(lambda _=False, entry=entry: open_entry(entry))
            self.own[entry] = action
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._state_changed.connect(self.follow)
        self._unlisten = manager.on_state(lambda state: self._state_changed.emit())
        # VisTrails may open further windows, which get menus of their own.
        app = QGuiApplication.instance()
        assert isinstance(app, QGuiApplication)
        app.focusWindowChanged.connect(self.dress)
        QTimer.singleShot(0, self.dress)
        self._timer.start()

    def situation(self) -> Situation:
        """Return what decides which entries can be used."""
        return Situation(self._manager.state, self.starting, self._to_clean, self._running)

    def dress(self, _: object = None) -> None:
        """Give the entries tips and shortcuts, and grey those that cannot be used."""
        for menu in main_window.menus():
            if menu not in self._dressed:
                self._dressed.add(menu)
                menu.setToolTipsVisible(True)
                menu.aboutToShow.connect(self.look)
                menu.aboutToShow.connect(self.follow_selection)
                menu.aboutToHide.connect(self._use_shortcuts)
                for action in menu.actions():
                    if TEXTS.get(action.text()) in FIRST:
                        menu.insertSeparator(action)
        now = self.situation()
        for action in (*main_window.actions(), *self.own.values()):
            entry = TEXTS.get(action.text())
            if isinstance(entry, Entry):
                action.setEnabled(enabled(entry, now))
            if isinstance(entry, LoopEntry):
                action.setCheckable(True)
                action.setChecked(all_loops())
            if entry is not None and action not in self._dressed and action.parent() is not self:
                self._dressed.add(action)
                if isinstance(entry, MapEntry):
                    self._about_maps[action] = entry
                action.setToolTip(TIPS[entry])
                action.setStatusTip(TIPS[entry])
                action.setShortcut(QKeySequence(SHORTCUTS.get(entry, "")))

    def follow_selection(self) -> None:
        """Show what the entries about Maps do to what is selected."""
        states = self._map_states()
        for action, entry in list(self._about_maps.items()):
            if sip.isdeleted(action):
                del self._about_maps[action]
                continue
            text, usable = states[entry]
            action.setText(text)
            action.setEnabled(usable)

    def _use_shortcuts(self) -> None:
        """Let the entries be chosen by their keys: they say so if nothing is selected."""
        for action in self._about_maps:
            if not sip.isdeleted(action):
                action.setEnabled(True)

    def follow(self, _: object = None) -> None:
        """Take note that something may have changed."""
        self.dress()
        self._timer.start()

    def look(self) -> None:
        """Find out, in a thread, what there is to clean up or to shut down."""
        if self._task is None:
            self._task = task = Task(self._look)
            task.done.connect(self._note)
            task.failed.connect(self._note)
            task.start()

    def _look(self, task: Task) -> tuple[bool, bool]:
        manager = self._manager
        to_clean = any(p.origin.ours_to_stop for p in manager.inventory().processes)
        running = any(profile.running for profile in manager.profiles() if profile.current)
        return to_clean, running

    def _note(self, found: object) -> None:
        self._task = None
        if isinstance(found, tuple):
            self._to_clean, self._running = found
        self.dress()

    def close(self) -> None:
        """Leave the menu to VisTrails, which takes it down."""
        self._timer.stop()
        self._unlisten()
        app = QGuiApplication.instance()
        if isinstance(app, QGuiApplication):
            app.focusWindowChanged.disconnect(self.dress)
        for thing in self._dressed:
            # Their parent is the main window, so they would outlive the menu with their keys.
            if isinstance(thing, QAction) and not sip.isdeleted(thing):
                thing.setShortcut(QKeySequence())
                thing.setEnabled(False)
        self._dressed.clear()
        self._about_maps.clear()
