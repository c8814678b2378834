"""Request cluster shutdown: what it would end; then the hub stops everything."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialogButtonBox, QHBoxLayout, QStyle, QWidget

from parallelflow.engine_manager.model import ShutdownPlan
from parallelflow.wording import count

from .cluster_manager import ClusterManager
from .parts import Busy, ErrorPanel, PlainDialog, icon_label, label
from .tasks import Task
from .wording import plan_lines

__all__ = ["ShutdownDialog"]


class ShutdownDialog(PlainDialog):
    """Warns of what a shutdown ends, and requests it.

    Parameters
    ----------
    manager : EngineManager
        Whose cluster.
    parent : QWidget, optional
        The window that it belongs to.
    """

    def __init__(self, manager: ClusterManager, parent: QWidget | None = None) -> None:
        super().__init__("Request cluster shutdown", parent)
        self._manager = manager
        self._doing = False
        self.head = label(f"The cluster of the profile '{manager.profile}'", bold=True)
        self.text = label("Asking the hub what runs ...")
        self.busy = Busy()
        self.busy.show()
        self.error = ErrorPanel()
        row = QHBoxLayout()
        row.addWidget(icon_label(QStyle.SP_MessageBoxWarning, self))
        row.addWidget(self.text, 1)
        self.column.addWidget(self.head)
        self.column.addLayout(row)
        self.column.addStretch()
        self.column.addWidget(self.error)
        self.column.addWidget(self.busy)
        buttons = QDialogButtonBox()
        self.shutdown_button = buttons.addButton("&Shut down", QDialogButtonBox.DestructiveRole)
        self.cancel_button = buttons.addButton(QDialogButtonBox.Cancel)
        self.shutdown_button.setEnabled(False)
        self.shutdown_button.setAutoDefault(False)
        self.shutdown_button.clicked.connect(self._begin)
        self.cancel_button.clicked.connect(self.reject)
        self.add_buttons(buttons)
        self.cancel_button.setDefault(True)
        self.resize(520, 180)
        task = Task(self._look)
        task.done.connect(self.show_plan)
        task.failed.connect(self._fail)
        task.start()

    def _look(self, task: Task) -> ShutdownPlan | None:
        """Find the cluster and what a shutdown would end; in a thread."""
        self._manager.connect()
        plan: ShutdownPlan | None = self._manager.shutdown_plan()
        return plan

    def show_plan(self, plan: ShutdownPlan | None) -> None:
        """Show what a shutdown would end, None if there is no cluster."""
        self.busy.hide()
        if plan is None:
            self._end("There is none: nothing to shut down.")
            return
        self.text.setText("\n".join(plan_lines(plan, len(self._manager.runs()))))
        self.shutdown_button.setEnabled(True)
        self.cancel_button.setFocus(Qt.OtherFocusReason)
        self.refit()

    def _begin(self) -> None:
        self._doing = True
        self.text.setText("The hub is asked to stop everything; this takes some seconds ...")
        self.busy.show()
        self.shutdown_button.setEnabled(False)
        self.cancel_button.setEnabled(False)
        task = Task(lambda task: self._manager.shutdown_cluster())
        task.done.connect(self._did)
        task.failed.connect(self._fail)
        task.start()

    def _did(self, left: list[str]) -> None:
        self._doing = False
        if not left:
            self.accept()
            return
        self._end(f"{count(len(left), 'thing')} did not stop:\n" + "\n".join(left))

    def _fail(self, error: Exception) -> None:
        self._doing = False
        self._end("The shutdown did not work.")
        self.error.show_error(error)
        self.refit()

    def _end(self, text: str) -> None:
        self.busy.hide()
        self.text.setText(text)
        self.shutdown_button.setEnabled(False)
        self.cancel_button.setText("&Close")
        self.cancel_button.setEnabled(True)
        self.cancel_button.setFocus(Qt.OtherFocusReason)

    def reject(self) -> None:
        """Close, unless the shutdown is under way, which takes some seconds at most."""
        if not self._doing:
            super().reject()
