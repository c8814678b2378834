"""Repairs of VisTrails' window where optional parts of a desktop are missing."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

from .repair import Repair, always, copy_with_names


def _without_console(shell: Any) -> None:
    shell.get_shell_dialog = lambda: None


def _has_no_qscintilla() -> bool:
    try:
        return importlib.util.find_spec("PyQt5.Qsci") is None
    except ModuleNotFoundError:
        return True


def _use_plain_editor(name: str, module: Any) -> None:
    plain = getattr(module, f"Old{name}")
    # The window's own fallback gives the parent by position, which the plain editor refuses.
    setattr(module, name, lambda parent=None: plain(parent=parent))


def _without_desktop_question(application: Any) -> None:
    application.linux_default_application_set = lambda: True


def _forget_killed_instance(application: Any) -> None:
    singleton = application.VistrailsApplicationSingleton
    run_single_instance = singleton.run_single_instance

    @functools.wraps(run_single_instance)
    def forget_and_run(self: Any, args: Any) -> Any:
        name = Path(application.system.home_directory())
        name /= f"vistrails-single-instance-check-{application.getpass.getuser()}"
        memory = application.QtCore.QSharedMemory(str(name))
        # Whoever detaches last removes the memory; a living instance stays attached to it.
        if memory.attach():
            memory.detach()
        return run_single_instance(self, args)

    singleton.run_single_instance = forget_and_run


def _refuse_to_install(installbundle: Any) -> None:
    from vistrails.core import debug

    def install(dependency_dictionary: dict[str, Any]) -> bool:
        wanted = dependency_dictionary.get("pip") or next(iter(dependency_dictionary.values()))
        debug.warning(
            f"A library is missing: {wanted}. Install it into this Python environment "
            f"({sys.prefix}), e.g. with pip."
        )
        return False

    installbundle.install = install


#: So high a palette can always be made, in pixels.
LOW = 110


def _let_the_window_be_narrow(view: Any) -> None:
    owner = view.QVistrailView
    make = owner.__init__

    @functools.wraps(make)
    def make_narrow(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        # The largest of its pages, shown or not, would decide: they are 1000 pixels wide.
        self.stack.setMinimumSize(320, 200)

    owner.__init__ = make_narrow


def _let_the_search_be_narrow(query_view: Any) -> None:
    from PyQt5.QtCore import Qt
    from PyQt5.QtWidgets import QFrame, QScrollArea, QWidget

    owner = query_view.QQueryBox
    build = owner.build_widget

    @functools.wraps(build)
    def build_scrolled(self: Any) -> None:
        build(self)
        row, area = QWidget(), QScrollArea()
        row.setLayout(self.layout().takeAt(1).layout())
        row.layout().setContentsMargins(0, 0, 0, 0)
        area.setFrameShape(QFrame.NoFrame)
        area.setFocusPolicy(Qt.NoFocus)
        area.setWidgetResizable(True)
        area.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        area.setWidget(row)
        beside = area.horizontalScrollBar().sizeHint().height()
        area.setFixedHeight(row.sizeHint().height() + beside)
        self.layout().addWidget(area)

    owner.build_widget = build_scrolled


def _let_palettes_be_low(common_widgets: Any) -> None:
    from PyQt5.QtCore import QSize, Qt
    from PyQt5.QtWidgets import QFrame, QScrollArea

    class Page(QScrollArea):
        """Scrolls a palette up and down where it has less room than it needs."""

        def minimumSizeHint(self) -> QSize:
            needed = self.widget().minimumSizeHint().expandedTo(self.widget().minimumSize())
            if needed.height() <= LOW:
                return needed
            return QSize(needed.width() + self.verticalScrollBar().sizeHint().width(), LOW)

        def sizeHint(self) -> QSize:
            return self.widget().sizeHint()

    owner = common_widgets.QToolWindow
    make = owner.__init__

    @functools.wraps(make)
    def make_low(self: Any, widget: Any = None, parent: Any = None) -> None:
        make(self, widget, parent)
        if widget is None:
            return
        page = Page()
        page.setFrameShape(QFrame.NoFrame)
        page.setWidgetResizable(True)
        page.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        page.setFocusPolicy(Qt.NoFocus)
        self.mwindow.takeCentralWidget()
        page.setWidget(widget)
        self.mwindow.setCentralWidget(page)

    owner.__init__ = make_low


#: So small a page of the preferences can always be made, in pixels.
SMALL_PAGE = 880, 400
#: What a window's frame takes of a screen, at the most.
FRAME = 20, 50


def _let_preferences_scroll(preferences: Any) -> None:
    from PyQt5.QtCore import QSize
    from PyQt5.QtGui import QGuiApplication
    from PyQt5.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

    class Page(QScrollArea):
        """Scrolls a page where it has less room than it needs."""

        def minimumSizeHint(self) -> QSize:
            return self.sizeHint().boundedTo(QSize(*SMALL_PAGE))

        def sizeHint(self) -> QSize:
            bar = self.verticalScrollBar().sizeHint().width()
            return self.widget().sizeHint() + QSize(bar, 0)

    pane, dialog = preferences.QConfigurationPane, preferences.QPreferencesDialog
    make_pane, make_dialog = pane.__init__, dialog.__init__

    @functools.wraps(make_pane)
    def make_scrolling(self: Any, *args: Any, **kwargs: Any) -> None:
        make_pane(self, *args, **kwargs)
        inside, page = QWidget(), Page()
        inside.setLayout(self.layout())  # takes all that is in it along
        page.setFrameShape(QFrame.NoFrame)
        page.setWidgetResizable(True)
        page.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(page)

    @functools.wraps(make_dialog)
    def make_fitting(self: Any, *args: Any, **kwargs: Any) -> None:
        make_dialog(self, *args, **kwargs)
        room = QGuiApplication.primaryScreen().availableSize() - QSize(*FRAME)
        self.resize(self.layout().sizeHint().boundedTo(room))

    pane.__init__, dialog.__init__ = make_scrolling, make_fitting


def _let_the_interval_be_edited_first(job_monitor: Any) -> None:
    widgets = job_monitor.QtWidgets
    box: Any = widgets.QComboBox

    class EditedWithoutHelp(box):
        def setCompleter(self, completer: Any) -> None:
            self.setEditable(True)
            super().setCompleter(completer)

    job_monitor.QtWidgets = copy_with_names(widgets, QComboBox=EditedWithoutHelp)


REPAIRS = (
    Repair(
        name="low-palettes",
        symptom="the window grows beyond 1024 x 600 with Provenance, Explore or Mashup: "
        "the lower ends of Log Details and of the mashup's panels are off the screen",
        cause="the panels beside a view are as high as all that is in them",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.common_widgets",),
        needed=always,
        after=_let_palettes_be_low,
    ),
    Repair(
        name="preferences-scroll",
        symptom="Preferences is 1014 x 613 pixels and cannot be made smaller: on a screen of "
        "1024 x 600 its lower end is outside",
        cause="the pages are as large as all that is in them",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.preferences",),
        needed=always,
        after=_let_preferences_scroll,
    ),
    Repair(
        name="job-interval",
        symptom="'Setting a QCompleter on non-editable QComboBox is not allowed' on the terminal "
        "at each start",
        cause="the job monitor takes the completer away before there is one",
        affected="VisTrails 3.0 with Qt 5",
        modules=("vistrails.gui.job_monitor",),
        needed=always,
        after=_let_the_interval_be_edited_first,
    ),
    Repair(
        name="narrow-window",
        symptom="the window cannot be made narrower than 1242 pixels: on a screen of 1024 x 600 "
        "Module Info is outside",
        cause="all pages of a vistrail are in one stack, which is as wide as the widest of them",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.vistrail_view",),
        needed=always,
        after=_let_the_window_be_narrow,
    ),
    Repair(
        name="search-row",
        symptom="on a screen of 1024 x 600 the words of the view Search are cut: 'Curre', 'Regu'",
        cause="all choices and buttons are in one row",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.query_view",),
        needed=always,
        after=_let_the_search_be_narrow,
    ),
    Repair(
        name="console",
        symptom="the window does not start: No module named 'qtconsole'",
        cause="its console is built on qtconsole, which is optional but not treated so",
        affected="environments without qtconsole",
        modules=("vistrails.gui.shell",),
        needed=lambda: importlib.util.find_spec("qtconsole") is None,
        after=_without_console,
    ),
    Repair(
        name="python-editor",
        symptom="TypeError when the source of a PythonSource is edited, or an offer to install "
        "Python 2's QScintilla",
        cause="the plain editor that stands in for QScintilla refuses a positional parent",
        affected="environments without QScintilla",
        modules=("vistrails.gui.modules.python_source_configure",),
        needed=_has_no_qscintilla,
        after=functools.partial(_use_plain_editor, "PythonEditor"),
    ),
    Repair(
        name="text-editor",
        symptom="TypeError when a String is edited in its own window",
        cause="the plain editor that stands in for QScintilla refuses a positional parent",
        affected="environments without QScintilla",
        modules=("vistrails.gui.modules.string_configure",),
        needed=_has_no_qscintilla,
        after=functools.partial(_use_plain_editor, "TextEditor"),
    ),
    Repair(
        name="desktop-question",
        symptom="the window ends at once with exit code 255, or asks to register .vt files with "
        "a desktop that is not there",
        cause="the missing xdg-mime is reported through an attribute exceptions lost in Python 3",
        affected="machines without xdg-utils",
        modules=("vistrails.gui.application",),
        needed=lambda: shutil.which("xdg-mime") is None,
        after=_without_desktop_question,
    ),
    Repair(
        name="killed-instance",
        symptom="critical messages at the start after VisTrails was killed, and a second window "
        "no longer joins the first",
        cause="the shared memory by which an instance is known outlives a killed process",
        affected="VisTrails 3.0 on Unix",
        modules=("vistrails.gui.application",),
        needed=always,
        after=_forget_killed_instance,
    ),
    Repair(
        name="install-offer",
        symptom="a dialog offers to install a missing library with the system's package manager, "
        "and the library is still missing afterwards",
        cause="the system's packages do not reach a virtual environment",
        affected="virtual environments",
        modules=("vistrails.gui.bundles.installbundle",),
        needed=lambda: sys.prefix != sys.base_prefix,
        after=_refuse_to_install,
    ),
)
