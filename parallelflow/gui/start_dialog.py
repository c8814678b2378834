"""Start new engine processes: how many, by what, and how far they have come.

It is one file, though a long one: the question and the progress are pages of one dialog.
"""

from __future__ import annotations

import os

from PyQt5.QtCore import Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import (
    QComboBox,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from parallelflow.engine_manager.launch.capacity import MOST
from parallelflow.engine_manager.model import LauncherChoice, LaunchPreview, State
from parallelflow.errors import StartCancelled, TooManyEngines
from parallelflow.system.memory import free_memory

from .cluster_manager import ClusterManager
from .limits_row import LimitsRow
from .parts import Busy, ErrorPanel, PlainDialog, code, label, text_of
from .scrolled_page import Column
from .start_view import StartView
from .tasks import Task
from .wording import machine_line, too_many

__all__ = ["StartDialog"]

# The preview follows the keys that are typed, but not each of them.
PREVIEW_MS = 250


class StartDialog(PlainDialog):
    """Asks for a number of engines and a launcher, and starts them.

    Parameters
    ----------
    manager : EngineManager
        What starts them.
    parent : QWidget, optional
        The window that it belongs to.

    Attributes
    ----------
    under_way : bool
        Whether a start is under way; the dialog may be hidden then.
    changed : signal
        `under_way` has changed.
    ended_unseen : signal (str)
        All engines of a start that went on in the background are there; the text says so.
    """

    changed = pyqtSignal()
    ended_unseen = pyqtSignal(str)

    def __init__(self, manager: ClusterManager, parent: QWidget | None = None) -> None:
        super().__init__("Start new engine processes", parent)
        self._manager = manager
        self._start: Task | None = None
        self._preview_number = 0
        self.under_way = False
        # Not a stack, which is as high as the highest of its pages.
        self.asking, self.starting = self._question(), self._progress()
        self.starting.hide()
        self.column.addWidget(self.asking, 1)
        self.column.addWidget(self.starting, 1)
        self.add_buttons(self._buttons())
        self.start_button.setDefault(True)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PREVIEW_MS)
        self._timer.timeout.connect(self._ask_preview)
        self.number.valueChanged.connect(lambda _: self._timer.start())
        self.number.valueChanged.connect(self.follow.keep_below)
        self.follow.changed.connect(self._timer.start)
        self.launcher.currentIndexChanged.connect(lambda _: self._timer.start())
        self.resize(620, 260)
        self._load()

    # -- the question ---------------------------------------------------------------------

    def _question(self) -> QWidget:
        page = QWidget()
        column = Column(page)
        column.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.ExpandingFieldsGrow)
        self.cluster = label(f"'{self._manager.profile}': looking for a running cluster ...")
        self.number = QSpinBox()
        self.number.setRange(0, MOST)  # 0 is said to be none, not silently made 1
        self._suggested = self._manager.suggested_engines()
        self.number.setValue(self._suggested)
        self.number.selectAll()
        self.machine = QLabel(self._machine())
        self.warning = label()
        self.warning.hide()
        self.launcher = QComboBox()
        self.launcher.setSizeAdjustPolicy(QComboBox.AdjustToContents)
        self.launcher.addItem("Looking for launchers ...")
        form.addRow("Profile:", self.cluster)
        self.follow = LimitsRow()
        numbers = QHBoxLayout()
        numbers.addWidget(self.number)
        numbers.addWidget(self.follow, 1)
        title = QLabel("&Number of engines:")
        title.setBuddy(self.number)
        form.addRow(title, numbers)
        form.addRow("", self.machine)
        form.addRow("&Launcher:", self.launcher)
        column.addLayout(form)
        column.addWidget(self.warning)
        self.what_button = QPushButton("&What is run...")
        self.what_button.setCheckable(True)
        self.what_button.setAutoDefault(False)
        self.what_button.setToolTip("Show the commands, or the job script, before they are run")
        box = QWidget()
        inside = Column(box)
        inside.setContentsMargins(0, 0, 0, 0)
        self.preview = code(lines=4)
        self.notes = label()
        self.notes.hide()
        inside.addWidget(self.preview, 1)
        box.hide()
        self.what_button.toggled.connect(box.setVisible)
        self.what_button.toggled.connect(lambda _: self.refit())
        row = QHBoxLayout()
        row.addWidget(self.what_button)
        row.addStretch()
        column.addWidget(self.notes)
        column.addLayout(row)
        column.addWidget(box, 1)
        column.addStretch()
        self.busy = Busy()
        self.trouble = label()
        self.trouble.hide()
        column.addWidget(self.trouble)
        column.addWidget(self.busy)
        return page

    def _machine(self) -> str:
        return machine_line(os.cpu_count() or 1, self._manager.free_cores(), free_memory())

    def _warn(self, choice: LauncherChoice | None, n: int) -> None:
        """Say what is questionable about a number of engines; what cannot be is said elsewhere."""
        here = choice is None or choice.name == "local"
        text = too_many(n, self._manager.free_cores(), os.cpu_count() or 1) if here else ""
        if not n:
            text = "None would be started: choose at least one engine."
        self.warning.setText(text)
        self.warning.setVisible(bool(text))

    def _load(self) -> None:
        self.busy.show()
        self.start_button.setEnabled(False)
        task = Task(self._look)
        task.told.connect(self._show_connection)
        task.done.connect(self._show_launchers)
        task.failed.connect(self._show_trouble)
        task.start()

    def _look(self, task: Task) -> list[LauncherChoice]:
        """Look for a running cluster, then for launchers; in a thread."""
        try:
            self._manager.connect()
            task.tell(None)
        except Exception as e:
            task.tell(e)
        found: list[LauncherChoice] = self._manager.launchers()
        return found

    def _show_connection(self, error: Exception | None) -> None:
        if error is not None:
            self._show_trouble(error)
        connected = self._manager.state in (State.CONTROLLER, State.ENGINES)
        how = "the engines join its cluster" if connected else "a controller is started first"
        self.cluster.setText(f"'{self._manager.profile}'; {how}")
        if self.number.value() == self._suggested:  # not what the user has typed meanwhile
            self._suggested = self._manager.suggested_engines()
            self.number.setValue(self._suggested)
            self.number.selectAll()
        self.machine.setText(self._machine())

    def _show_launchers(self, choices: list[LauncherChoice]) -> None:
        self.launcher.clear()
        chosen = self._manager.launcher
        for choice in choices:
            missing = "" if choice.available else f"  (no {choice.command} on this machine)"
            self.launcher.addItem(f"{choice.title}{missing}", choice)
            if choice.name == chosen or (not chosen and choice.default):
                self.launcher.setCurrentIndex(self.launcher.count() - 1)
        # Qt keeps the least width of when there was but one entry.
        self.launcher.setMinimumWidth(self.launcher.sizeHint().width())
        self.busy.hide()
        self.start_button.setEnabled(True)
        self._ask_preview()

    def _show_trouble(self, error: Exception) -> None:
        self.busy.hide()
        self.trouble.setText(text_of(error))
        self.trouble.show()
        self.start_button.setEnabled(True)

    def chosen(self) -> LauncherChoice | None:
        """Return the chosen launcher, None while they are not known."""
        choice = self.launcher.currentData()
        return choice if isinstance(choice, LauncherChoice) else None

    def _ask_preview(self) -> None:
        choice, n = self.chosen(), self.number.value()
        self._warn(choice, n)
        if choice is None:
            return
        if not n:
            self._preview_number += 1  # an answer that is still to come is not waited for
            self.preview.setPlainText("")
            self.notes.hide()  # they may be another launcher's
            self.start_button.setEnabled(False)
            return
        name, manager = choice.name, self._manager
        if self.follow.limits(n, name) is not None:
            n = 1  # each is started by itself
        self._preview_number += 1
        number = self._preview_number

        def look(task: Task) -> tuple[int, LaunchPreview | TooManyEngines]:
            try:
                return number, manager.launch_preview(name, n)
            except TooManyEngines as e:
                return number, e

        task = Task(look)
        task.done.connect(self._show_preview)
        task.failed.connect(self._show_trouble)
        task.start()

    def _show_preview(self, answer: tuple[int, LaunchPreview | TooManyEngines]) -> None:
        number, preview = answer
        if number != self._preview_number:
            return  # another one has been asked for since
        if isinstance(preview, TooManyEngines):
            self.preview.setPlainText("")
            self.notes.setText(text_of(preview))
            self.notes.show()
            self.start_button.setEnabled(False)
            return
        parts = [preview.controller, preview.command, preview.script]
        self.preview.setPlainText("\n".join(part for part in parts if part))
        self.notes.setText("\n".join(preview.notes))
        self.notes.setVisible(bool(preview.notes))
        choice = self.chosen()
        runnable = bool(preview.command or preview.script)
        self.start_button.setEnabled(choice is not None and choice.available and runnable)

    # -- the start --------------------------------------------------------------------------

    def _progress(self) -> QWidget:
        page = QWidget()
        column = Column(page)
        column.setContentsMargins(0, 0, 0, 0)
        self.view = StartView()
        self.error = ErrorPanel()
        column.addWidget(self.view, 1)
        column.addWidget(self.error, 1)
        return page

    def _buttons(self) -> QDialogButtonBox:
        box = QDialogButtonBox()
        self.start_button = box.addButton("&Start", QDialogButtonBox.AcceptRole)
        self.hide_button = QPushButton("Continue in the &background")
        box.addButton(self.hide_button, QDialogButtonBox.ActionRole)
        self.back_button = QPushButton("&Back")
        self.back_button.setToolTip("Try with another number or launcher")
        box.addButton(self.back_button, QDialogButtonBox.ActionRole)
        self.back_button.clicked.connect(self._go_back)
        self.cancel_button = box.addButton(QDialogButtonBox.Cancel)
        self.start_button.clicked.connect(self._begin)
        self.hide_button.clicked.connect(self.hide)
        self.hide_button.setToolTip("The same menu entry shows this window again")
        self.hide_button.hide()
        self.back_button.hide()  # now, as the box shows those before when it gets another
        self.cancel_button.clicked.connect(self.reject)
        return box

    def _begin(self) -> None:
        choice, n, manager = self.chosen(), self.number.value(), self._manager
        name = choice.name if choice is not None else None
        limits = self.follow.limits(n, name)
        self.asking.hide()
        self.starting.show()
        self.start_button.hide()
        self.hide_button.show()
        self.error.hide()
        self.view.begin()
        self.view.bar.show()
        self.view.table.show()
        self._set_under_way(True)

        def start(task: Task) -> None:
            manager.start_engines(n, name, progress=task.tell, cancel=task.cancel, limits=limits)

        self._start = task = Task(start)
        task.told.connect(self.view.show_snapshot)
        task.done.connect(self._succeed)
        task.failed.connect(self._fail)
        task.start()

    def _set_under_way(self, under_way: bool) -> None:
        self.under_way = under_way
        self.changed.emit()

    def _succeed(self, _: object) -> None:
        self._end()
        if not self.isVisible():
            self.ended_unseen.emit(self.view.line.text())
            super().reject()

    def _fail(self, error: Exception) -> None:
        self._end()
        if isinstance(error, StartCancelled):
            super().reject()
            return
        self.view.line.setText("The engines have not come up.")
        self.view.bar.hide()
        self.view.table.setVisible(self.view.snapshot is not None)
        self.error.show_error(error)
        self.back_button.show()
        self.show()
        self.refit()

    def _go_back(self) -> None:
        """Ask again after a start that has failed."""
        self.starting.hide()
        self.asking.show()
        self.back_button.hide()
        self.error.hide()
        self.cancel_button.setText("Cancel")
        self.start_button.show()
        self.start_button.setDefault(True)
        self.number.setFocus()
        self._ask_preview()

    def _end(self) -> None:
        self.view.end()
        self.hide_button.hide()
        self.cancel_button.setText("&Close")
        self.cancel_button.setEnabled(True)
        self.cancel_button.setDefault(True)
        self.cancel_button.setFocus(Qt.OtherFocusReason)
        self._set_under_way(False)

    def reject(self) -> None:
        """Cancel: undo what has started; the dialog goes when that is done."""
        if self.under_way and self._start is not None:
            self._start.cancel.set()
            self.cancel_button.setEnabled(False)
            self.view.line.setText("Stopping what has started ...")
        else:
            super().reject()
