"""Progress of a Map in VisTrails' own dialog: elements done, the time left, a way to the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PyQt5.QtCore import QEvent, QObject
from PyQt5.QtWidgets import QAction, QProgressBar, QProgressDialog, QPushButton

from parallelflow.progress import Snapshot, listen

from . import main_window
from .wording import run_line

__all__ = ["MapProgress"]

# Shorter steps cannot be read.
STEP_SECONDS = 0.2
MARGIN = 8


class MapProgress:
    """Writes how far a Map has come into the dialog that VisTrails shows while it executes.

    Parameters
    ----------
    show_runs : callable
        Called when the user wants to see the elements.
    entries : sequence of QAction
        The menu's entries, whose keys the dialog has: the main window takes none while it is shown.
    """

    def __init__(self, show_runs: Callable[[], object], entries: Sequence[QAction] = ()) -> None:
        self._show_runs = show_runs
        self._entries = list(entries)
        self._shown_at = 0.0
        self.close = listen(self.take)

    def take(self, snapshot: Snapshot) -> None:
        """Take an announcement; those from other threads belong to no execution."""
        if not main_window.on_window_thread():
            return
        now = time.monotonic()
        if now - self._shown_at < STEP_SECONDS and not snapshot.state.is_finished:
            return
        self._shown_at = now
        for dialog in main_window.progress_dialogs():
            dialog.setLabelText(run_line(snapshot))
            if not snapshot.state.is_finished:
                self._follow(dialog, snapshot)

    def _follow(self, dialog: QProgressDialog, snapshot: Snapshot) -> None:
        """Let the bar follow the elements; VisTrails counts modules, of which there are few."""
        # Not the dialog's own setValue, which would handle events in the middle of a poll.
        bar = dialog.findChild(QProgressBar)
        if bar is not None and snapshot.total:
            done = snapshot.done + snapshot.failed
            bar.setValue(int(bar.maximum() * done / snapshot.total))
        if dialog.findChild(_RunsButton) is None:
            _RunsButton(dialog, self._show_runs)
            dialog.addActions(self._entries)


class _RunsButton(QPushButton):
    """A button in a progress dialog, which has no place for one: it stands at the left edge."""

    def __init__(self, dialog: QProgressDialog, show_runs: Callable[[], object]) -> None:
        super().__init__("&Elements...", dialog)
        self.setToolTip("Show each element: its state, engine, time and error")
        self.setAutoDefault(False)
        self.clicked.connect(lambda: show_runs())
        dialog.installEventFilter(self)
        self._place()
        self.show()

    def _place(self) -> None:
        dialog = self.parentWidget()
        self.adjustSize()
        others = [b for b in dialog.findChildren(QPushButton) if b is not self]
        bottom = others[0].geometry().bottom() + 1 if others else dialog.height() - MARGIN
        self.move(MARGIN, bottom - self.height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the place when the dialog changes its size."""
        if event.type() == QEvent.Resize:
            self._place()
        return False
