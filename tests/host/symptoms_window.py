"""Symptoms in VisTrails' window."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.host.symptoms import qt_application, symptom


def _missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


def _untyped(name: str) -> Any:
    # What is called here with floats has integers in its type.
    return importlib.import_module(name)


def _core() -> None:
    from parallelflow import host

    host.start_core()
    # py_import asks the user to install what it misses only if this is on, as it is by default.
    from vistrails.core.configuration import get_vistrails_configuration

    get_vistrails_configuration().installBundles = True


@symptom("widgets-made-twice", r"AssertionError: 2 of Q\w+")
def a_mashup_has_each_number_once() -> None:
    _core()
    qt_application()
    from PyQt5.QtCore import Qt
    from PyQt5.QtWidgets import QAbstractSlider, QAbstractSpinBox, QWidget
    from vistrails.core.system import get_vistrails_basic_pkg_id
    from vistrails.gui.mashups import mashups_widgets

    class Parameter:
        identifier = get_vistrails_basic_pkg_id()
        strValue = "3"

        def __init__(self, kind: str) -> None:
            self.type = kind

    made: Any = mashups_widgets
    for owner, base, kind in (
        (made.QNumericStepperIntegerWidget, QAbstractSpinBox, "Integer"),
        (made.QNumericStepperFloatWidget, QAbstractSpinBox, "Float"),
        (made.QSliderWidget, QAbstractSlider, "Integer"),
    ):
        parent = QWidget()
        widget = owner(param=Parameter(kind), parent=parent)
        told: list[Any] = []
        widget.contentsChanged.connect(told.append)
        widget.setContents("1", silent=False)
        assert told[-1][1] == 1
        # The one that was made second has no parent until it is in a layout.
        widget.setParent(parent)
        children = parent.findChildren(base)
        assert len(children) == 1, f"{len(children)} of {owner.__name__}"
        if base is QAbstractSlider:
            assert widget.orientation() == Qt.Horizontal


@symptom("qt-floats", r"unexpected type 'float'", here=lambda: sys.version_info >= (3, 10))
def qt_takes_floats_for_integers() -> None:
    import vistrails.gui  # noqa: F401

    qt_application()
    QtCore, QtGui, QtWidgets = (
        _untyped(f"PyQt5.{name}") for name in ("QtCore", "QtGui", "QtWidgets")
    )
    assert QtCore.QPoint(2.7, 1) == QtCore.QPoint(2, 1)
    rect = QtCore.QRect(1.0, 2.5, 3, 4)
    rect.translate(0, 1.5)
    assert rect == QtCore.QRect(1, 3, 3, 4)
    assert QtGui.QColor(0.5 * 255, 1.0, 2).red() == 127
    view = QtWidgets.QGraphicsView(QtWidgets.QGraphicsScene())
    assert view.mapToScene(10.5, 10) == view.mapToScene(10, 10)
    view.setMaximumSize(20.5, 30)
    assert view.maximumWidth() == 20
    try:
        QtCore.QPoint("a", 1)
    except TypeError:
        pass
    else:
        raise AssertionError("nonsense is accepted")


@symptom("qt-imports", r"AssertionError: it ended with -11")
def a_module_of_qt_is_imported_while_views_are_destroyed() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.host.late_import"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, f"it ended with {ended.returncode}"
    assert ended.stdout == "imported\n", ended


@symptom(
    "sip",
    r"AssertionError",
    here=lambda: _missing("sip"),
    hidden_by=("qt-floats", "qt-none"),  # they import QtCore, which registers sip
)
def qt_is_recognized() -> None:
    from vistrails.gui.requirements import qt_available

    _core()
    assert qt_available()


@symptom("low-palettes", r"AssertionError: 700")
def a_high_palette_is_scrolled() -> None:
    _core()
    qt_application()
    from PyQt5 import QtWidgets
    from vistrails.gui.common_widgets import QToolWindow
    from vistrails.gui.theme import initializeCurrentTheme

    initializeCurrentTheme()
    palette = QtWidgets.QWidget()
    palette.setMinimumSize(250, 600)
    window = QToolWindow(palette)
    assert window.centralwidget is palette
    height = window.minimumSizeHint().height()
    assert height < 250, f"{height // 100 * 100 + 100}"
    assert window.minimumSizeHint().width() >= 250
    window.resize(400, 300)
    window.show()
    assert palette.height() == 600 and palette.isVisible()


@symptom("preferences-scroll", r"AssertionError: [0-9]+ x [0-9]+")
def preferences_fit_a_small_screen() -> None:
    _core()
    qt_application()
    from PyQt5.QtWidgets import QCheckBox
    from vistrails.core.configuration import (
        base_config,
        get_vistrails_configuration,
        get_vistrails_persistent_configuration,
    )
    from vistrails.gui.preferences import QConfigurationPane
    from vistrails.gui.theme import initializeCurrentTheme

    initializeCurrentTheme()
    known = get_vistrails_persistent_configuration(), get_vistrails_configuration()
    categories = [(name, base_config[name]) for name in ("Interface", "Startup")]
    pane = QConfigurationPane(None, *known, categories)
    needed = pane.minimumSizeHint()
    assert needed.height() < 450 and needed.width() < 900, f"{needed.width()} x {needed.height()}"
    pane.resize(900, 450)
    pane.show()
    assert len([box for box in pane.findChildren(QCheckBox) if box.isVisible()]) > 5


@symptom("search-row", r"AssertionError: [0-9.]+ of the row")
def the_choices_of_a_search_fit_a_small_screen() -> None:
    _core()
    qt_application()
    from vistrails.gui.query_view import QQueryBox
    from vistrails.gui.theme import initializeCurrentTheme

    initializeCurrentTheme()
    box: Any = QQueryBox()
    choices = [*box.level_group.buttons(), box.editButton, box.backButton]
    needed = sum(choice.sizeHint().width() for choice in choices)
    share = box.minimumSizeHint().width() / needed
    assert share < 1, f"{share:.2f} of the row"


@symptom("job-interval", r"AssertionError: .*QCompleter")
def the_job_monitor_has_nothing_to_say() -> None:
    _core()
    qt_application()
    from PyQt5.QtCore import qInstallMessageHandler
    from vistrails.gui.job_monitor import QJobView
    from vistrails.gui.theme import initializeCurrentTheme

    initializeCurrentTheme()
    said: list[str] = []
    qInstallMessageHandler(lambda kind, where, text: said.append(text))
    try:
        view: Any = QJobView()
    finally:
        qInstallMessageHandler(None)
    assert not [text for text in said if "QCompleter" in text], said
    assert view.interval.isEditable() and view.interval.completer() is None


@symptom("qt-none", r"has no attribute 'None'")
def the_palette_can_paint_its_headers() -> None:
    _core()
    qt_application()
    from PyQt5 import QtGui, QtWidgets
    from vistrails.gui.module_palette import QModuleTreeWidgetItemDelegate

    tree = QtWidgets.QTreeWidget()
    tree.addTopLevelItem(QtWidgets.QTreeWidgetItem(["Basic Modules"]))
    delegate = QModuleTreeWidgetItemDelegate(tree, tree)
    pixmap = QtGui.QPixmap(100, 30)
    painter = QtGui.QPainter(pixmap)
    option = QtWidgets.QStyleOptionViewItem()
    option.rect = pixmap.rect()
    delegate.paint(painter, option, tree.indexFromItem(tree.topLevelItem(0)))
    painter.end()


@symptom("console", r"No module named 'qtconsole'|PyImport", here=lambda: _missing("qtconsole"))
def the_window_does_without_a_console() -> None:
    _core()
    qt_application()
    from vistrails.gui.shell import get_shell_dialog

    assert get_shell_dialog() is None


def _editor(module: str, name: str) -> None:
    _core()
    qt_application()
    import vistrails.gui.theme
    from PyQt5 import QtWidgets

    vistrails.gui.theme.initializeCurrentTheme()
    parent = QtWidgets.QWidget()
    editor = getattr(importlib.import_module(module), name)(parent)
    editor.setPlainText("o = i")
    assert editor.toPlainText() == "o = i"
    assert editor.parent() is parent


@symptom("python-editor", r"takes 1 positional argument", here=lambda: _missing("PyQt5.Qsci"))
def python_sources_can_be_edited() -> None:
    _editor("vistrails.gui.modules.python_source_configure", "PythonEditor")


@symptom("text-editor", r"takes 1 positional argument", here=lambda: _missing("PyQt5.Qsci"))
def strings_can_be_edited() -> None:
    _editor("vistrails.gui.modules.string_configure", "TextEditor")


@symptom(
    "desktop-question", r"has no attribute 'message'", here=lambda: shutil.which("xdg-mime") is None
)
def a_machine_without_a_desktop_is_not_asked() -> None:
    import vistrails.gui.application as application

    assert application.linux_default_application_set()


@symptom("install-offer", r"AssertionError", here=lambda: sys.prefix != sys.base_prefix)
def nothing_is_offered_that_a_virtual_environment_cannot_see() -> None:
    _core()
    app = qt_application()
    import vistrails.gui.bundles.installbundle as bundles
    from PyQt5.QtCore import QTimer

    asked = []

    def answer_no() -> None:
        dialog = app.activeModalWidget()
        if dialog is not None:
            asked.append(dialog.windowTitle())
            dialog.reject()

    timer = QTimer()
    timer.timeout.connect(answer_no)
    timer.start(50)
    bundles.pip_installed = True
    assert bundles.install({"pip": "there-is-no-such-library"}) is False
    assert not asked


@symptom("killed-instance", r"AssertionError: .*[Cc]onnection failed")
def a_killed_window_leaves_nothing_in_the_way() -> None:
    import getpass
    import logging

    _core()
    qt_application()
    import vistrails.gui.application as application
    from PyQt5 import QtCore

    class Instance(QtCore.QObject):
        timeout = 1000

        def message_received(self) -> None:
            """Nobody sends one."""

        run_single_instance = application.VistrailsApplicationSingleton.run_single_instance

    class Noted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    said: list[str] = []
    key = Path.home() / f"vistrails-single-instance-check-{getpass.getuser()}"
    if os.fork() == 0:
        memory = QtCore.QSharedMemory(str(key))
        os._exit(0 if memory.create(1) else 1)
    assert os.wait()[1] == 0
    logging.getLogger("vistrails.logger").addHandler(Noted(logging.ERROR))
    instance: Any = Instance()
    instance.run_single_instance([])
    instance.shared_memory.detach()
    assert not said, said
