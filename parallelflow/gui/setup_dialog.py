"""Set up: a profile for engines on other machines, asked in a form, written, and tried."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

from PyQt5.QtCore import QSize, Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QComboBox,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QStyle,
    QWidget,
)

from parallelflow.engine_manager.interaction import ConsoleInteraction
from parallelflow.engine_manager.launch.launchers import TITLES
from parallelflow.engine_manager.model import StartSnapshot
from parallelflow.errors import StartCancelled, UserMistake
from parallelflow.findings import FINE, NOTE, TO_DO, Finding
from parallelflow.profile_setup.answers import (
    EVERYWHERE,
    LAUNCHERS,
    QUESTIONS,
    Answers,
    own_addresses,
    questions_for,
    read_answer,
    shown,
    suggested,
)
from parallelflow.profile_setup.profile_files import Written, read_answers, write_answers
from parallelflow.profile_setup.trial import try_setup

from .parts import Busy, ErrorPanel, PlainDialog, label, sentence
from .tasks import Task

__all__ = ["SetupDialog"]

ICONS = {
    FINE: QStyle.SP_DialogApplyButton,
    NOTE: QStyle.SP_MessageBoxInformation,
    TO_DO: QStyle.SP_MessageBoxWarning,
}
# Fields are as wide as the text that says how they are answered, but fit a small screen; pixels.
WIDEST = 700
# Some findings at once, more where the screen has room; the others are scrolled to.
FINDINGS_LINES = 3

Trial = Callable[..., Generator[Finding, None, None]]


class _Notes(ConsoleInteraction):
    """Shows what the test's start tells beside its findings."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def tell(self, message: str) -> None:
        """Show a line."""
        self._task.tell(Finding(NOTE, message))


class SetupDialog(PlainDialog):
    """Asks what a launcher needs to know, writes it into a profile's files, and tries it.

    Parameters
    ----------
    profile : str
        The profile.
    parent : QWidget, optional
        The window that it belongs to.
    trial : callable
        As `try_setup`.

    Attributes
    ----------
    written : signal
        The profile's files have changed.
    """

    written = pyqtSignal()

    def __init__(
        self, profile: str, parent: QWidget | None = None, trial: Trial = try_setup
    ) -> None:
        super().__init__(f"Set up '{profile}'", parent)
        self._profile = profile
        self._trial = trial
        self._task: Task | None = None
        self._tests = False
        self._before: Answers | None = None
        self.fields: dict[str, QLineEdit | QComboBox] = {}
        self._build()
        self._load()
        self.launcher.currentIndexChanged.connect(lambda _: self._ask())
        self._ask()
        self.resize(640, 430)

    def _build(self) -> None:
        self.text = label(f"Engines of the profile '{self._profile}' on other machines.")
        self.launcher = QComboBox()
        for name in LAUNCHERS:
            self.launcher.addItem(TITLES[name], name)
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.ExpandingFieldsGrow)
        self._add("Launcher", self.launcher, "what starts the engines")
        for question in QUESTIONS:
            field: QLineEdit | QComboBox
            if question.name == "address":
                field = QComboBox()
                field.setEditable(True)
                field.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)  # a name may be long
                field.addItems([*own_addresses(), EVERYWHERE])
                field.editTextChanged.connect(lambda _: self._check())
            else:
                field = QLineEdit()
                field.setPlaceholderText(question.hint)
                needed = field.fontMetrics().horizontalAdvance(f"{question.hint}MM")
                field.setMinimumWidth(min(needed, WIDEST))
                field.textChanged.connect(lambda _: self._check())
            self.fields[question.name] = field
            self._add(question.title, field, question.hint)
        self.hint = label()
        self.findings = QListWidget()
        self.findings.setAccessibleName("What the test has found")
        self.findings.setWordWrap(True)  # each is to be read whole
        self.findings.setTextElideMode(Qt.ElideNone)
        self.findings.setResizeMode(QListWidget.Adjust)
        self.findings.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.findings.setIconSize(QSize(16, 16))
        self.findings.setSpacing(1)
        self.findings.setMinimumHeight(self.fontMetrics().lineSpacing() * FINDINGS_LINES)
        self.findings.hide()
        self.busy = Busy()
        self.busy.hide()
        self.error = ErrorPanel()
        self.error.hide()
        buttons = QDialogButtonBox()
        self.save_button = buttons.addButton("&Save", QDialogButtonBox.AcceptRole)
        self.test_button = QPushButton("Save and &test")
        self.test_button.setToolTip("Start one engine, look at it, and stop it again")
        buttons.addButton(self.test_button, QDialogButtonBox.ActionRole)
        self.close_button = buttons.addButton("&Close", QDialogButtonBox.RejectRole)
        self.save_button.clicked.connect(lambda: self._save(test=False))
        self.test_button.clicked.connect(lambda: self._save(test=True))
        self.close_button.clicked.connect(self.reject)
        self.column.addWidget(self.text)
        self.column.addLayout(self.form)
        self.column.addWidget(self.hint)
        self.column.addWidget(self.findings, 1)
        self.column.addWidget(self.busy)
        self.column.addWidget(self.error)
        self.column.addStretch()
        self.add_buttons(buttons)
        self.save_button.setDefault(True)

    def _add(self, title: str, field: QWidget, hint: str) -> None:
        name = QLabel(f"{title}:")
        name.setBuddy(field)
        field.setToolTip(hint[0].upper() + hint[1:])
        field.setAccessibleName(title)
        self.form.addRow(name, field)

    # -- the answers --------------------------------------------------------------------------

    def _load(self) -> None:
        """Show what was answered before."""
        try:
            self._before = read_answers(self._profile)
        except Exception as e:
            self._fail(e)
        if self._before is not None:
            self.launcher.setCurrentIndex(LAUNCHERS.index(self._before.launcher))
        for name in self.fields:
            before = shown(name, getattr(self._before, name, None))
            self._set(name, before or suggested(name))

    def chosen(self) -> str:
        """Return the launcher's short name."""
        return str(self.launcher.currentData())

    def _set(self, name: str, text: str) -> None:
        field = self.fields[name]
        if isinstance(field, QComboBox):
            field.setEditText(text)
        else:
            field.setText(text)

    def _text(self, name: str) -> str:
        field = self.fields[name]
        return field.currentText() if isinstance(field, QComboBox) else field.text()

    def _ask(self) -> None:
        """Show the questions of the chosen launcher."""
        asked = {question.name for question in questions_for(self.chosen())}
        for name, field in self.fields.items():
            field.setVisible(name in asked)
            self.form.labelForField(field).setVisible(name in asked)
        self._check()
        self.refit()

    def answers(self) -> Answers:
        """Return what the form says.

        Raises
        ------
        UserMistake
            If it cannot be meant, or an answer is missing.
        """
        found: dict[str, Any] = {}
        for question in questions_for(self.chosen()):
            found[question.name] = read_answer(question.name, self._text(question.name))
            if question.needed and not found[question.name]:
                raise UserMistake(f"{question.title}: {question.hint}.")
        return Answers(self.chosen(), **found)

    def _check(self) -> None:
        """Say what is wrong with the answers, and offer the buttons if nothing is."""
        try:
            self.answers()
            wrong = ""
        except UserMistake as e:
            wrong = str(e)
        self.hint.setText(wrong)
        self.hint.setVisible(bool(wrong))
        ready = not wrong and self._task is None
        self.save_button.setEnabled(ready)
        self.test_button.setEnabled(ready)

    # -- written, and tried -------------------------------------------------------------------

    def _save(self, test: bool) -> None:
        answers = self.answers()
        self.error.hide()
        self.findings.clear()
        self.findings.setVisible(test)
        self.refit()
        self._tests = test

        def work(task: Task) -> None:
            task.tell(write_answers(self._profile, answers))
            if not test:
                return
            found = self._trial(
                self._profile,
                answers.launcher,
                progress=task.tell,
                cancel=task.cancel,
                interaction=_Notes(task),
            )
            with contextlib.closing(found) as findings:
                for finding in findings:
                    task.tell(finding)

        self._task = task = Task(work)
        task.told.connect(self._show)
        task.done.connect(self._end)
        task.failed.connect(self._fail)
        self.busy.show()
        self.close_button.setText("&Cancel" if test else "&Close")
        self._check()
        self.launcher.setEnabled(False)
        task.start()

    def _show(self, told: Written | StartSnapshot | Finding) -> None:
        if isinstance(told, StartSnapshot):
            jobs = ", ".join(told.jobs)
            self.text.setText(f"Starting one engine{f': {jobs}' if jobs else ''} ...")
            return
        if isinstance(told, Written):
            files = ", ".join(path.name for path in told.files)
            done = f"{files} in {told.folder} written." if files else "It was set up so already."
            self.text.setText("\n".join([done, *told.hidden]))
            self.written.emit()
            return
        of_host = told.text.partition(" ")[0].endswith(":")
        text = told.text if of_host else sentence(told.text)
        item = QListWidgetItem("\n".join([text, *told.more]))
        item.setIcon(self.style().standardIcon(ICONS[told.state]))
        item.setData(Qt.UserRole, told.state)
        self.findings.addItem(item)
        self.findings.scrollToItem(item)

    def states(self) -> list[str]:
        """Return the states of what the test has found."""
        items = [self.findings.item(row) for row in range(self.findings.count())]
        return [str(item.data(Qt.UserRole)) for item in items if item is not None]

    def _end(self, _: object = None) -> None:
        self._task = None
        self.busy.hide()
        self.launcher.setEnabled(True)
        self.close_button.setText("&Close")
        self.close_button.setEnabled(True)
        if self._tests and TO_DO in self.states():
            self.text.setText("There is something to do before engines of this profile can start.")
        elif self._tests:
            self.text.setText(f"It works: {TITLES[self.chosen()]} starts engines of this profile.")
        self._check()
        self.refit()

    def _fail(self, error: Exception) -> None:
        self._tests = False
        self._end()
        if isinstance(error, StartCancelled):
            self.text.setText("The test was cancelled; what it had started was stopped again.")
            return
        self.error.show_error(error)
        self.refit()

    def reject(self) -> None:
        """Close; a test that is under way is given up first."""
        if self._task is None:
            super().reject()
            return
        self._task.cancel.set()
        self.close_button.setEnabled(False)
        self.text.setText("Stopping what has started ...")
