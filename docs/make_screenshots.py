"""Makes the pictures of the documentation: run it as ``python docs/make_screenshots.py``.

VisTrails' real window is opened with the example, in a home of its own and on no screen, and
painted into ``docs/images``. A font must be installed (on Debian: fonts-dejavu-core).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EXAMPLE = f"{HERE / 'examples' / 'digits_sweep.vt'}:parallel"
PICTURE = HERE / "images" / "window.png"

#: The window's size in pixels: what is readable on a page.
SIZE = (1200, 760)

#: Milliseconds for VisTrails to lay out and paint after a step.
PAUSE = 400

#: Seconds; a guard, the picture takes about five.
LIMIT = 120


def main() -> None:
    """Make all pictures, in a child process whose home is thrown away."""
    PICTURE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "HOME": home,
            "IPYTHONDIR": str(Path(home) / "ipython"),
            "QT_QPA_PLATFORM": "offscreen",
        }
        subprocess.run(
            [sys.executable, __file__, "--child"], env=environment, timeout=LIMIT, check=True
        )
    print(PICTURE)


def child() -> None:
    """Open the window and take its picture."""
    sys.path.insert(0, str(HERE.parent))
    from parallelflow import host

    host.activate()
    import vistrails.gui.application as application

    singleton = application.VistrailsApplicationSingleton
    interactive = singleton.interactiveMode

    def interactive_and_paint(self: Any) -> None:
        from PyQt5.QtCore import QTimer

        interactive(self)
        window = self.builderWindow
        steps = iter([lambda: arrange(window), lambda: paint(window), window.quit])

        def take() -> None:
            next(steps)()
            QTimer.singleShot(PAUSE, take)

        QTimer.singleShot(PAUSE, take)

    singleton.interactiveMode = interactive_and_paint
    host.run_window([EXAMPLE])


def arrange(window: Any) -> None:
    """Show the workflow, and Parallel Flow in the palette."""
    from PyQt5.QtCore import Qt
    from vistrails.gui.module_palette import QModulePalette

    window.resize(*SIZE)
    tree = QModulePalette.instance().treeWidget
    (ours,) = tree.findItems("Parallel Flow", Qt.MatchExactly)
    ours.setExpanded(True)
    tree.scrollToItem(ours, tree.PositionAtTop)
    window.qactions["pipeline"].trigger()
    window.qactions["zoomToFit"].trigger()


def paint(window: Any) -> None:
    """Paint the window with the menu of Packages open."""
    from PyQt5.QtCore import QPoint
    from PyQt5.QtGui import QPainter

    window.qactions["zoomToFit"].trigger()
    picture = window.grab()
    packages = window.qmenus["packages"]
    bar = window.menuBar()
    corner = bar.mapTo(window, bar.actionGeometry(packages.menuAction()).bottomLeft())
    painter = QPainter(picture)
    for menu, action in open_menus(packages):
        if action is not None:
            menu.setActiveAction(action)
        shown = menu.grab()
        painter.drawPixmap(corner, shown)
        if action is not None:
            corner += QPoint(shown.width(), menu.actionGeometry(action).top())
    painter.end()
    picture.save(str(PICTURE))


def open_menus(packages: Any) -> list[tuple[Any, Any]]:
    """Return the menus on the way to our entries, each with the entry that opens the next."""
    (ours,) = (action for action in packages.actions() if action.text() == "Parallel Flow")
    for menu in (packages, ours.menu()):
        menu.ensurePolished()
        menu.adjustSize()
    return [(packages, ours), (ours.menu(), None)]


if __name__ == "__main__":
    child() if sys.argv[1:] == ["--child"] else main()
