"""Progress of a Map in VisTrails' own dialog: elements done and the time left."""

from __future__ import annotations

import time

from parallelflow.progress import Snapshot, listen

from . import main_window
from .wording import run_line

__all__ = ["MapProgress"]

# Shorter steps cannot be read.
STEP_SECONDS = 0.2


class MapProgress:
    """Writes how far a Map has come into the dialog that VisTrails shows while it executes."""

    def __init__(self) -> None:
        self._shown_at = 0.0
        self.close = listen(self.take)

    def take(self, snapshot: Snapshot) -> None:
        """Take an announcement; those from other threads belong to no execution."""
        if not main_window.on_window_thread():
            return
        now = time.monotonic()
        if now - self._shown_at < STEP_SECONDS and not snapshot.state.over:
            return
        self._shown_at = now
        for dialog in main_window.progress_dialogs():
            dialog.setLabelText(run_line(snapshot))
