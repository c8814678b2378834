"""The menu of a module in VisTrails' workflow, with what Parallel Flow does to the module."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QEvent, QObject
from PyQt5.QtWidgets import QApplication, QMenu

from .entries import TIPS, MapEntry
from .map_actions import MapActions

__all__ = ["ModuleMenu"]


class ModuleMenu:
    """Adds the entries about Maps to the menu that VisTrails opens at a module's triangle.

    Parameters
    ----------
    maps : MapActions
        What they do.
    """

    def __init__(self, maps: MapActions) -> None:
        from vistrails.gui.pipeline_view import QGraphicsConfigureItem

        self._owner: Any = QGraphicsConfigureItem
        self._open = open_menu = QGraphicsConfigureItem.contextMenuEvent

        def open_with_ours(item: Any, event: Any) -> None:
            adding = _Adding(maps)
            app = QApplication.instance()
            app.installEventFilter(adding)
            try:
                open_menu(item, event)
            finally:
                app.removeEventFilter(adding)

        self._owner.contextMenuEvent = open_with_ours

    def close(self) -> None:
        """Leave the menu as VisTrails has it."""
        self._owner.contextMenuEvent = self._open


class _Adding(QObject):
    """Adds the entries to the first menu that is about to be shown.

    VisTrails makes the menu and runs it in one function, so that there is no other moment.
    """

    def __init__(self, maps: MapActions) -> None:
        super().__init__()
        self._maps = maps

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Watch for the menu; every event goes on to where it belongs."""
        if event.type() == QEvent.Polish and isinstance(watched, QMenu):
            QApplication.instance().removeEventFilter(self)
            watched.addSeparator()
            for entry, (text, usable) in self._maps.states().items():
                if entry is not MapEntry.SWITCH_ALL and usable:
                    action = watched.addAction(text)
                    action.setStatusTip(TIPS[entry])
                    action.triggered.connect(lambda _=False, entry=entry: self._maps.do(entry))
        return False
