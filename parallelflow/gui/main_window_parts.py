"""What Parallel Flow adds to VisTrails' main window: a line at the bottom, entries of two menus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import QUrl
from PyQt5.QtGui import QDesktopServices
from PyQt5.QtWidgets import QAction, QFileDialog, QLabel

import parallelflow
from parallelflow.engine_manager.model import State
from parallelflow.wording import count

from . import main_window

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
    return f"Profile '{profile}': {WORDS.get(state) or count(engines, 'engine')}"


class MainWindowParts:
    """The profile and the number of engines in the status bar; the guide in *Help*."""

    def __init__(self) -> None:
        self.line: QLabel | None = None
        self.action: QAction | None = None
        self.examples: QAction | None = None

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
        self.examples = QAction("Open Examples...", window)
        self.examples.setStatusTip("Open one of the examples that come with VisTrails")
        self.examples.setEnabled(examples_folder() is not None)
        self.examples.triggered.connect(lambda: open_example(window))
        file, opens = window.qmenus["file"], window.qactions["openFile"]
        after = file.actions()[file.actions().index(opens) + 1 :] if opens in file.actions() else []
        file.insertAction(after[0] if after else None, self.examples)

    def close(self) -> None:
        """Leave the window as VisTrails has it."""
        for part in (self.line, self.action, self.examples):
            if part is not None and not sip.isdeleted(part):
                sip.delete(part)
        self.line = self.action = self.examples = None


def examples_folder() -> Path | None:
    """Return where VisTrails' examples are: in this environment, or Debian's; None if nowhere."""
    places = (Path(sys.prefix) / "share", Path("/usr/share/doc"))
    folders = (place / "vistrails" / "examples" for place in places)
    return next((folder for folder in folders if folder.is_dir()), None)


def open_example(window: Any) -> None:
    """Ask for one of the examples and open it."""
    name, _ = QFileDialog.getOpenFileName(
        window, "Open Example", str(examples_folder() or ""), "VisTrails files (*.vt *.xml)"
    )
    if name:
        from vistrails.core.db.locator import FileLocator

        window.open_vistrail_without_prompt(FileLocator(name))


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
