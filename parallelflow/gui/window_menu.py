"""Our own windows in VisTrails' menu *Window*, which lists VisTrails' windows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from PyQt5 import sip
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QAction, QApplication, QMainWindow, QMenu, QWidget

__all__ = ["WindowMenu", "bring_forward"]


def bring_forward(window: QWidget) -> None:
    """Show a window before the others, also one that is minimized."""
    if window.isMinimized():
        window.showNormal()
    window.show()
    window.raise_()
    window.activateWindow()


class WindowMenu:
    """Lists open windows at the end of each menu *Window*, whenever it is opened.

    VisTrails makes these menus again whenever a view changes, so nothing in them stays.

    Parameters
    ----------
    windows : callable
        Returns the windows that may be listed; those that are closed are not.
    """

    def __init__(self, windows: Callable[[], Iterable[QWidget]]) -> None:
        self._windows = windows
        self._menus: dict[QMenu, Callable[[], None]] = {}
        self._added: dict[QMenu, list[QAction]] = {}
        # VisTrails may open further windows, which get menus of their own.
        app = QGuiApplication.instance()
        assert isinstance(app, QGuiApplication)
        app.focusWindowChanged.connect(self.join)

    def join(self, _: object = None) -> None:
        """Take part in the menus of all windows that VisTrails has now."""
        for menu in _menus():
            if menu not in self._menus:
                self._menus[menu] = add = lambda menu=menu: self._add(menu)
                menu.aboutToShow.connect(add)

    def _add(self, menu: QMenu) -> None:
        self._take_away(menu)
        shown = [window for window in self._windows() if window.isVisible()]
        if not shown:
            return
        separator = menu.addSeparator()
        assert separator is not None
        self._added[menu] = [separator]
        for window in shown:
            action = QAction(window.windowTitle(), menu)
            action.setCheckable(True)
            action.setChecked(window is QApplication.activeWindow())
            action.triggered.connect(lambda _=False, window=window: bring_forward(window))
            menu.addAction(action)
            self._added[menu].append(action)

    def _take_away(self, menu: QMenu) -> None:
        for action in self._added.pop(menu, ()):
            if not sip.isdeleted(action):
                sip.delete(action)

    def close(self) -> None:
        """Leave the menus to VisTrails."""
        app = QGuiApplication.instance()
        if isinstance(app, QGuiApplication):
            app.focusWindowChanged.disconnect(self.join)
        for menu, add in self._menus.items():
            if not sip.isdeleted(menu):
                menu.aboutToShow.disconnect(add)
                self._take_away(menu)
        self._menus.clear()
        self._added.clear()


def _menus() -> Iterable[QMenu]:
    for window in QApplication.topLevelWidgets():
        menus: Any = getattr(window, "qmenus", None)
        if isinstance(window, QMainWindow) and isinstance(menus, dict) and "window" in menus:
            yield menus["window"]
