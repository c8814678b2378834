"""Makes the pictures of the documentation: run it as ``python docs/make_screenshots.py``.

VisTrails' real window is opened with the example, in a home of its own and on no screen; each
dialog is used for real and painted into ``docs/images``. A font must be installed (on Debian:
fonts-dejavu-core). ``make_cells.py`` makes the one of an exploration's cells.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EXAMPLE = f"{HERE / 'examples' / 'digits_sweep.vt'}:parallel"
IMAGES = HERE / "images"

#: The main window's size in pixels: what is readable on a page.
SIZE = (1200, 760)

#: What most desktops use, in points.
FONT = 9

#: Milliseconds for VisTrails to lay out and paint after a step.
PAUSE = 400

#: Seconds; guards for one wait and for all.
WAIT, LIMIT = 120, 900

#: Makes the engines of a profile fail, as a typing error in its configuration does.
BROKEN = "c = get_config()\nc.IPEngine.max_heartbeat_misses = 'many'\n"


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    in_child(Path(__file__))
    for picture in sorted(IMAGES.glob("*.png")):
        print(f"{picture}: {picture.stat().st_size // 1000} kB")


def in_child(script: Path) -> None:
    """Run a script with ``--child``, in a process whose home and folder are thrown away."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "HOME": home,
            "IPYTHONDIR": str(Path(home) / ".ipython"),
            "QT_QPA_PLATFORM": "offscreen",
        }
        command = [sys.executable, str(script.resolve()), "--child"]
        subprocess.run(command, env=environment, cwd=home, timeout=LIMIT, check=True)


def child() -> None:
    """Open the window and take the pictures."""
    take_steps(take_pictures, EXAMPLE)


def take_steps(take_pictures: Callable[[Any], Iterator[None]], example: str) -> None:
    """Open the window with an example, take steps in it, and quit.

    Parameters
    ----------
    take_pictures : callable
        Returns the steps, for the window; between two of them events are handled.
    example : str
        The file and the version.
    """
    sys.path.insert(0, str(HERE.parent))
    from parallelflow import host

    host.activate()
    import vistrails.gui.application as application

    singleton = application.VistrailsApplicationSingleton
    interactive = singleton.interactiveMode

    def interactive_and_paint(self: Any) -> None:
        from PyQt5.QtCore import QTimer

        interactive(self)
        font = self.font()
        font.setPointSize(FONT)
        self.setFont(font)
        steps = take_pictures(self.builderWindow)

        def take() -> None:
            try:
                next(steps)
            except StopIteration:
                self.builderWindow.quit()
            except BaseException:
                # A slot's exception would end the process without what it had started.
                import traceback

                traceback.print_exc()
                self.exit(1)
            else:
                QTimer.singleShot(PAUSE, take)

        QTimer.singleShot(PAUSE, take)

    singleton.interactiveMode = interactive_and_paint
    host.run_window([example])


# -- one picture after the other -------------------------------------------------------------


def take_pictures(window: Any) -> Iterator[None]:
    """Use the window and take the pictures; every yield lets events be handled."""
    arrange(window)
    yield
    yield
    paint_window(window)
    yield from mark(window)
    yield from map_over(window)
    yield from ask(window)
    yield from start(window)
    yield from look_at_a_run(window)
    yield from questions(window)
    yield from fail(window)
    window.get_current_controller().set_changed(False)


def mark(window: Any) -> Iterator[None]:
    """Take the canvas with two branches that are marked, and what is not."""
    from vistrails.core.db.locator import FileLocator

    first = window.get_current_controller()
    before = first.current_version
    window.open_vistrail_without_prompt(FileLocator(str(HERE / "examples" / "loops.vt")))
    yield
    controller = window.get_current_controller()
    controller.change_selected_version(controller.vistrail.get_version_number("branches"))
    yield
    scene = controller.current_pipeline_scene
    paint_scene(scene, "marked")
    controller.set_changed(False)
    window.close_vistrail(window.get_current_view())
    yield
    window.get_current_controller().change_selected_version(before)
    window.qactions["pipeline"].trigger()
    yield


def paint_scene(scene: Any, name: str) -> None:
    """Paint a workflow somewhat larger than it is."""
    from PyQt5.QtCore import QRectF
    from PyQt5.QtGui import QColor, QImage, QPainter

    part = QRectF()
    for item in scene.modules.values():
        part = part.united(item.sceneBoundingRect())
    part.adjust(-12, -12, 12, 12)
    size = 1.25 * part.size()
    picture = QImage(int(size.width()), int(size.height()), QImage.Format_RGB32)
    picture.fill(QColor(128, 128, 128))
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.Antialiasing)
    scene.render(painter, QRectF(picture.rect()), part)
    painter.end()
    write(picture, name)


def map_over(window: Any) -> Iterator[None]:
    """Take the dialog that makes a Map, of the module that the example's Map runs."""
    controller = window.get_current_controller()
    scene = controller.current_pipeline_scene
    (run,) = {
        connection.source.moduleId
        for connection in controller.current_pipeline.connections.values()
        if connection.destination.name == "FunctionPort"
    }
    scene.clearSelection()
    scene.modules[run].setSelected(True)
    trigger(window, "Map over a list...")
    yield from until(lambda: shown("MapDialog"))
    asked = shown("MapDialog")
    yield
    save(asked, "map")
    asked.reject()
    scene.clearSelection()
    yield


def ask(window: Any) -> Iterator[None]:
    """Take the question that a Map without a cluster asks."""
    during(window, lambda: shown("AskDialog"), lambda asked: (save(asked, "ask"), asked.reject()))
    yield


def start(window: Any) -> Iterator[None]:
    """Start two engines."""
    trigger(window, "Start new engine processes...")
    yield from until(lambda: shown("StartDialog"))
    asked = shown("StartDialog")
    yield from until(asked.preview.toPlainText)
    asked.number.setValue(2)
    yield
    save(asked, "start")
    asked.start_button.click()
    yield from until(lambda: not asked.under_way)
    save(asked, "started")
    asked.reject()


def look_at_a_run(window: Any) -> Iterator[None]:
    """Take VisTrails' progress dialog and the information beside it while the example runs."""
    trigger(window, "Show information on the cluster")
    yield from until(lambda: shown("ClusterWindow"))
    information = shown("ClusterWindow")
    yield from until(lambda: len(information.model.engines) == 2)

    def running() -> Any:
        run = next(iter(information.info.runs), None)
        busy = any(engine.busy for engine in information.info.engines)
        progress = window.get_current_controller().progress
        there = run is not None and run.remaining_seconds and run.done > run.total / 3 and busy
        return progress if there and information.runs.isVisible() else None

    during(window, running, lambda progress: (save(progress, "run"), save(information, "info")))
    information.close()
    yield
    yield from look_at_elements(window)


def look_at_elements(window: Any) -> Iterator[None]:
    """Take the panel with the rows and the timeline of the run."""
    trigger(window, "Show runs")
    yield from until(lambda: window.findChild(dock_class(), "parallelflow-runs"))
    dock = window.findChild(dock_class(), "parallelflow-runs")
    panel = dock.widget()
    panel.choose_latest()
    window.resizeDocks([dock], [260], 2)
    yield
    yield
    save(panel, "runs")
    panel.tabs.setCurrentIndex(1)
    yield
    save(panel, "timeline")
    dock.close()
    yield


def dock_class() -> Any:
    """Return Qt's class; importing it needs VisTrails' repairs."""
    from PyQt5 import QtWidgets

    return QtWidgets.QDockWidget


def setup_form(asked: Any) -> Iterator[None]:
    """Take the form of a profile for Slurm, filled in."""
    from parallelflow.profile_setup.answers import LAUNCHERS

    items = [asked.table.topLevelItem(row) for row in range(asked.table.topLevelItemCount())]
    asked.table.setCurrentItem(next(i for i in items if i.text(0) == "institute"))
    asked.setup_button.click()
    form = asked.setup
    form.launcher.setCurrentIndex(LAUNCHERS.index("slurm"))
    answers = {"queue": "short", "account": "physics", "wall_time": "1:30", "memory": "2 GB"}
    for name, text in answers.items():
        form.fields[name].setText(text)
    form.fields["address"].setEditText("127.0.0.1")  # every machine has it
    yield
    save(form, "setup")
    form.reject()
    yield


def questions(window: Any) -> Iterator[None]:
    """Take the three questions; all are cancelled."""
    from parallelflow.engine_manager import get_manager

    get_manager().create_profile("institute")
    trigger(window, "Change profile...")
    yield from until(lambda: shown("ProfileDialog"))
    asked = shown("ProfileDialog")
    yield from until(lambda: len(asked.profiles) == 2)
    yield
    save(asked, "profile")
    yield from setup_form(asked)
    asked.reject()
    trigger(window, "Cleanup started processes...")
    yield from until(lambda: shown("CleanupDialog"))
    asked = shown("CleanupDialog")
    yield from until(asked.stop_button.isEnabled)
    yield
    save(asked, "cleanup")
    asked.reject()
    trigger(window, "Request cluster shutdown...")
    yield from until(lambda: shown("ShutdownDialog"))
    asked = shown("ShutdownDialog")
    yield from until(asked.shutdown_button.isEnabled)
    yield
    save(asked, "shutdown")
    asked.shutdown_button.click()
    yield from until(lambda: not shown("ShutdownDialog"))


def fail(window: Any) -> Iterator[None]:
    """Start engines that fail."""
    from parallelflow.engine_manager.system import profiles

    (profiles.profile_folder("default") / "ipengine_config.py").write_text(BROKEN)
    trigger(window, "Start new engine processes...")
    yield from until(lambda: shown("StartDialog"))
    asked = shown("StartDialog")
    yield from until(asked.start_button.isEnabled)
    asked.start_button.click()
    yield from until(lambda: asked.error.isVisible())
    yield
    save(asked, "failed")
    asked.reject()


# -- how -----------------------------------------------------------------------------------


def until(condition: Callable[[], Any]) -> Iterator[None]:
    """Wait until something holds."""
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the window does not do what it should")
        yield


def shown(kind: str) -> Any:
    """Return the visible window of a class, None if there is none."""
    from PyQt5.QtWidgets import QApplication

    for widget in QApplication.topLevelWidgets():
        if type(widget).__name__ == kind and widget.isVisible():
            return widget
    return None


def trigger(window: Any, text: str) -> None:
    """Choose an entry of Packages / Parallel Flow."""
    (ours,) = (a.menu() for a in window.qmenus["packages"].actions() if a.text() == "Parallel Flow")
    (action,) = (action for action in ours.actions() if action.text() == text)
    action.trigger()


def during(window: Any, there: Callable[[], Any], act: Callable[[Any], Any]) -> None:
    """Execute the workflow, and act once on what is there meanwhile."""
    from PyQt5.QtCore import QTimer

    def look() -> None:
        found = there()
        if found:
            act(found)
        else:
            QTimer.singleShot(50, look)

    QTimer.singleShot(50, look)
    window.get_current_controller().execute_user_workflow()


def save(widget: Any, name: str) -> None:
    """Paint a window into a file, with a line around it."""
    from PyQt5.QtGui import QPainter

    picture = widget.grab().toImage()
    painter = QPainter(picture)
    painter.setPen(widget.palette().mid().color())
    painter.drawRect(picture.rect().adjusted(0, 0, -1, -1))
    painter.end()
    write(picture, name)


def write(picture: Any, name: str) -> None:
    """Write a picture with 65 536 colours, which nobody sees and which makes it half as large."""
    from PyQt5.QtGui import QImage

    small = picture.convertToFormat(QImage.Format_RGB16).convertToFormat(QImage.Format_RGB888)
    if not small.save(str(IMAGES / f"{name}.png"), "PNG", 0):
        raise OSError(f"{name}.png could not be written")


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


def paint_window(window: Any) -> None:
    """Paint the window with the menu of Packages open."""
    from PyQt5.QtCore import QPoint
    from PyQt5.QtGui import QPainter

    window.qactions["zoomToFit"].trigger()
    picture = window.grab().toImage()
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
    write(picture, "window")


def open_menus(packages: Any) -> list[tuple[Any, Any]]:
    """Return the menus on the way to our entries, each with the entry that opens the next."""
    (ours,) = (action for action in packages.actions() if action.text() == "Parallel Flow")
    for menu in (packages, ours.menu()):
        menu.ensurePolished()
        menu.adjustSize()
    return [(packages, ours), (ours.menu(), None)]


if __name__ == "__main__":
    child() if sys.argv[1:] == ["--child"] else main()
