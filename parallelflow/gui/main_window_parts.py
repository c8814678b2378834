"""What Parallel Flow adds to VisTrails' main window: a line in the status bar, an entry of Help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import QUrl
from PyQt5.QtGui import QDesktopServices
from PyQt5.QtWidgets import QAction, QLabel

import parallelflow
from parallelflow.engine_manager.model import State

from . import main_window
from .wording import count

__all__ = ["MainWindowParts", "engines_line"]

WORDS = {
    State.NO_CLUSTER: "no cluster",
    State.CONNECTING: "connecting ...",
    State.CONTROLLER: "no engines",
    State.LOST: "cluster lost",
}
GUIDE = "Parallel Flow"


def engines_line(profile: str, state: State, engines: int) -> str:
    """Return the profile and the engines in a few words."""
    return f"{profile}: {WORDS.get(state) or count(engines, 'engine')}"


class MainWindowParts:
    """The profile and the number of engines in the status bar; the guide in *Help*."""

    def __init__(self) -> None:
        self.line: QLabel | None = None
        self.action: QAction | None = None

    def show(self, profile: str, state: State, engines: int) -> None:
        """Show where the session stands; does nothing while the window is being built."""
        window = main_window.main_window()
        if window is None:
            return
        if self.line is None or sip.isdeleted(self.line):
            self._make(window)
        if self.line is not None:
            self.line.setText(engines_line(profile, state, engines))

    def _make(self, window: Any) -> None:
        self.line = QLabel()
        self.line.setToolTip("Parallel Flow: the IPython profile, and the engines of its cluster")
        window.statusBar().addPermanentWidget(self.line)
        window.statusBar().show()
        self.action = QAction(GUIDE, window)
        self.action.setStatusTip("Open the user's guide of Parallel Flow")
        self.action.triggered.connect(lambda: open_guide())
        window.qmenus["help"].addAction(self.action)

    def close(self) -> None:
        """Leave the window as VisTrails has it."""
        for part in (self.line, self.action):
            if part is not None and not sip.isdeleted(part):
                sip.delete(part)
        self.line = self.action = None


def guide() -> Path:
    """Return the page of the guide: in a checkout among the documentation, else in the package."""
    package = Path(parallelflow.__file__).parent
    pages = (package.parent / "docs" / "guide.md", package / "guide.md")
    return next((page for page in pages if page.is_file()), package / "troubleshooting.md")


def open_guide() -> bool:
    """Open the guide in the desktop's program for it; say where it is if there is none."""
    page = guide()
    if QDesktopServices.openUrl(QUrl.fromLocalFile(str(page))):
        return True
    from vistrails.gui.utils import show_info

    show_info("Parallel Flow", f"The user's guide is in {page}")
    return False
