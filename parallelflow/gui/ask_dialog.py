"""The one question when work finds no cluster, and the progress of what it starts."""

from __future__ import annotations

import os

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QStyle,
    QWidget,
)

from parallelflow.engine_manager.model import State
from parallelflow.wording import count

from .parts import PlainDialog, icon_label, label
from .start_dialog import MOST
from .start_view import StartView
from .wording import too_many

__all__ = ["AskDialog", "StartingDialog"]


class AskDialog(PlainDialog):
    """Asks whether to start a controller and how many engines.

    Parameters
    ----------
    profile : str
        The IPython profile.
    suggested : int
        How many engines to suggest.
    state : State
        Where the engine manager stands.
    parent : QWidget, optional
        The window that it belongs to.

    Attributes
    ----------
    engines : int
        The answer; 0 for *not now*.
    always : bool
        Whether not to ask again.
    """

    def __init__(
        self, profile: str, suggested: int, state: State, parent: QWidget | None = None
    ) -> None:
        super().__init__("Engines are needed", parent)
        self.setAttribute(Qt.WA_DeleteOnClose, False)
        self.engines = 0
        self.always = False
        if state is State.CONTROLLER:
            what = f"The cluster of the profile '{profile}' has no engine. Start some?"
        else:
            what = f"No cluster runs on the profile '{profile}'. Start a controller and engines?"
        row = QHBoxLayout()
        row.addWidget(icon_label(QStyle.SP_MessageBoxQuestion, self))
        row.addWidget(label(what, bold=True), 1)
        self.number = QSpinBox()
        self.number.setRange(0, MOST)
        self.number.setValue(suggested)
        self.number.selectAll()
        form = QFormLayout()
        form.addRow("&Number of engines:", self.number)
        cores = count(os.cpu_count() or 1, "core")
        more = label(
            f"This machine has {cores}. What is started ends with VisTrails, unless you leave it "
            "running. 'Always' starts engines without this question from now on; to have it again, "
            "set askToStart in Preferences > Packages > Parallel Flow > Configure..."
        )
        self.column.addLayout(row)
        self.column.addLayout(form)
        self.column.addWidget(more, 1)
        buttons = QDialogButtonBox()
        self.start_button = buttons.addButton("&Start", QDialogButtonBox.AcceptRole)
        self.always_button = QPushButton("&Always")
        buttons.addButton(self.always_button, QDialogButtonBox.AcceptRole)
        self.not_now_button = buttons.addButton("N&ot now", QDialogButtonBox.RejectRole)
        self.start_button.clicked.connect(lambda: self._accept(False))
        self.always_button.clicked.connect(lambda: self._accept(True))
        self.not_now_button.clicked.connect(self.reject)
        self.add_buttons(buttons)
        self.start_button.setDefault(True)
        self.warning = label()
        self.column.insertWidget(2, self.warning)
        self.number.valueChanged.connect(self._warn)
        self._warn(suggested)
        self.resize(460, 200)

    def _warn(self, n: int) -> None:
        """Say what is questionable about a number of engines."""
        cores = os.cpu_count() or 1
        self.warning.setText(too_many(n, cores, cores) if n else "Choose at least one engine.")
        self.warning.setVisible(bool(self.warning.text()))
        for button in (self.start_button, self.always_button):
            button.setEnabled(n > 0)

    def _accept(self, always: bool) -> None:
        self.engines, self.always = self.number.value(), always
        self.accept()


class StartingDialog(PlainDialog):
    """Shows a start that work waits for.

    Parameters
    ----------
    parent : QWidget, optional
        The window that it belongs to.

    Attributes
    ----------
    cancelled : signal
        The user has pressed Cancel.
    """

    cancelled = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Starting engines", parent)
        self.view = StartView()
        self.column.addWidget(self.view, 1)
        buttons = QDialogButtonBox()
        self.cancel_button = buttons.addButton(QDialogButtonBox.Cancel)
        self.cancel_button.clicked.connect(self.reject)
        self.add_buttons(buttons)
        self.resize(460, 240)

    def reject(self) -> None:
        """Ask for the start to be given up; the dialog goes when that is done."""
        self.cancel_button.setEnabled(False)
        self.view.line.setText("Stopping what has started ...")
        self.cancelled.emit()

    def end(self) -> None:
        """Take it away."""
        self.done(0)
