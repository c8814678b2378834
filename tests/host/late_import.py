"""Imports a module of PyQt5 while Python's search for garbage destroys views; run as a program.

As in VisTrails' window, an event filter of the application is written in Python.
"""

from __future__ import annotations

import gc
from typing import Any

import vistrails  # noqa: F401 - its repairs are applied from here on
from PyQt5.QtCore import QEvent, QObject
from PyQt5.QtWidgets import QApplication, QGraphicsView, QWidget


class Filter(QWidget):
    """As `FocusEvent` of VisTrails' window."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let every event through."""
        return False


class View(QGraphicsView):
    """A view of a workflow, which knows itself, so that only a search for garbage finds it."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = self


def leave_view(phase: str, _: dict[str, Any]) -> None:
    """Make one for the next search."""
    if phase == "stop":
        View()


application = QApplication([])
events = Filter()
application.installEventFilter(events)
gc.callbacks.append(leave_view)
gc.set_threshold(1, 1, 1)
import PyQt5.QtTest  # noqa: E402

gc.callbacks.clear()
assert PyQt5.QtTest is not None
print("imported", flush=True)
