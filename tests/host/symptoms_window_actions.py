"""Symptoms in what the entries of VisTrails' window do."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from tests.host.symptoms import qt_application, symptom
from tests.host.symptoms_core import start


@symptom("assistant-ports", r"itemAt\(")
def the_assistant_finds_what_is_clicked() -> None:
    start()
    qt_application()
    from PyQt5.QtCore import QPointF
    from vistrails.gui.pipeline_view_select import QPipelineScene
    from vistrails.gui.theme import initializeCurrentTheme

    initializeCurrentTheme()
    scene = QPipelineScene()
    there = scene.addRect(0, 0, 10, 10)
    assert scene.itemAt(QPointF(5, 5)) is there
    assert scene.itemAt(QPointF(50, 50)) is None


@symptom("reload-connections", r"RuntimeError: .* has been deleted")
def a_connection_finds_the_ports_that_there_are() -> None:
    start()
    qt_application()
    from types import SimpleNamespace

    from PyQt5 import sip
    from PyQt5.QtWidgets import QGraphicsRectItem
    from vistrails.gui.pipeline_view import QPipelineScene
    from vistrails.gui.theme import initializeCurrentTheme

    initializeCurrentTheme()
    scene: Any = QPipelineScene()
    scene.controller = SimpleNamespace(current_pipeline=None)
    scene.current_pipeline = SimpleNamespace(connections={3: "the connection"})

    class Item(QGraphicsRectItem):
        """A connection as the scene has it."""

        def __init__(self) -> None:
            super().__init__()
            self.srcPortItem, self.dstPortItem = QGraphicsRectItem(), QGraphicsRectItem()
            self.connectingModules = ()

        def setupConnection(self) -> None:
            self.srcPortItem.parentItem()

    def draw(connection: str) -> None:
        drawn.append(connection)
        scene.connections[3] = Item()

    drawn: list[str] = []
    scene.addConnection = draw
    scene.connections = {3: Item()}
    scene.addItem(scene.connections[3])
    sip.delete(scene.connections[3].srcPortItem)
    scene.update_connections()
    assert drawn == ["the connection"]


@symptom("version", r"AssertionError: VisTrails version 2.x")
def the_version_is_told() -> None:
    from vistrails.core import system

    about = system.short_about_string()
    assert "2.x" not in about and system.vistrails_version() in about, about


@symptom("updates", r"ValueError|URLError|TypeError")
def the_latest_version_is_compared() -> None:
    import io
    import urllib.request

    from vistrails.core import system

    def answers(text: bytes) -> None:
        urllib.request.urlopen = lambda *_, **__: io.BytesIO(text)

    def told() -> Any:
        try:
            return system.new_vistrails_release_exists()
        except (OSError, ValueError) as e:
            return str(e)

    system.VERSION = "3.0"
    answers(b"2.2.3\n")
    assert system.new_vistrails_release_exists() == (False, None)
    answers(b"3.1\n")
    assert told() == (True, "3.1")
    answers(b"<html>gone</html>")
    assert "does not tell a version" in told()

    def nobody(*_: object, **__: object) -> Any:
        raise OSError("no network")

    urllib.request.urlopen = nobody
    assert "does not answer (no network)" in told()


@symptom("updates-message", r"OSError: no network")
def what_cannot_be_checked_is_told() -> None:
    start()
    qt_application()
    from vistrails.gui import vistrails_window as module

    def nobody() -> Any:
        raise OSError("no network")

    told: list[str] = []
    module.vistrails.core.system.new_vistrails_release_exists = nobody
    module.QtWidgets.QMessageBox.information = lambda _, title, text: told.append(text)
    module.QVistrailsWindow.showUpdatesMessage(None)
    assert "is not known: no network." in told[0], told


@symptom("start-folder", r"AssertionError: .*examples")
def files_are_looked_for_in_the_working_folder() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        from vistrails.core import system

        here = system.vistrails_file_directory()
        os.chdir("/")
        assert here == os.path.realpath(folder), here


@symptom("dot-export", r"bytes-like object is required")
def the_version_tree_is_exported() -> None:
    controller = start()
    controller.add_module("org.vistrails.vistrails.basic", "Integer")
    controller.vistrail.set_tag(controller.current_version, 'a "tag"')
    controller.recompute_terse_graph()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tree.dot"
        controller.save_version_graph(str(file))
        text = file.read_text(encoding="utf-8")
    assert text.startswith("digraph G {") and "->" in text and text.endswith("}\n"), text


@symptom("second-window", r"AssertionError: .*Found another instance")
def a_second_window_tells_where_its_file_is() -> None:
    start()
    qt_application()
    from vistrails.gui import application

    said: list[str] = []
    application.debug.critical = application.debug.warning = lambda text: said.append(text)

    class Window:
        send_message = staticmethod(lambda socket, text: True)

    singleton = application.VistrailsApplicationSingleton
    assert singleton.found_another_instance_running(Window(), None, ["x.vt"]) is True
    assert said == ["VisTrails is open already: a file that was named opens in its window"], said


@symptom("narrow-window", r"AssertionError: the widest page decides")
def a_wide_page_does_not_decide_the_window() -> None:
    start()
    qt_application()
    from PyQt5.QtWidgets import QStackedWidget, QVBoxLayout, QWidget
    from vistrails.gui import vistrail_view

    page = QWidget()
    page.setMinimumWidth(1200)
    owner: Any = vistrail_view.QVistrailView

    class View(owner):
        """The view without the vistrail, whose pages need the whole window around them."""

    def make_pages(self: Any) -> None:
        QWidget.__init__(self)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(page)
        QVBoxLayout(self).addWidget(self.stack)

    # The repair wraps what makes the view: it is given another one to wrap.
    wrapper = owner.__init__
    if hasattr(wrapper, "__wrapped__"):
        (cell,) = (c for c in wrapper.__closure__ if c.cell_contents is wrapper.__wrapped__)
        cell.cell_contents = make_pages
    else:
        owner.__init__ = make_pages
    view = View()
    assert view.minimumSizeHint().width() < 600, "the widest page decides"
