"""Cleanup started processes: what runs, who started it, and what is to happen to it."""

from __future__ import annotations

import enum
from collections.abc import Callable

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QDialogButtonBox,
    QHBoxLayout,
    QStyle,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from parallelflow.engine_manager.model import Inventory, Origin
from parallelflow.wording import count

from .cluster_manager import ClusterManager
from .parts import Busy, ErrorPanel, PlainDialog, icon_label, label, numbers, sentence, table
from .tasks import Task
from .wording import when

__all__ = ["Choice", "CleanupDialog"]

TITLES = ("Process", "Pid", "Host", "Who started it", "Since")


class Choice(enum.Enum):
    """What the user wants to happen to what runs."""

    STOP = "stop them"
    LEAVE = "leave them running"


class CleanupDialog(PlainDialog):
    """Shows what Parallel Flow has started on the profile, and stops or leaves it.

    Parameters
    ----------
    manager : EngineManager
        Whose processes.
    parent : QWidget, optional
        The window that it belongs to.
    title : str
        The window's title.
    why : str
        Why the user is asked, one sentence; empty if it is by their own wish.
    then : callable, optional
        Called in a thread with the `Choice` in the place of the usual stopping or leaving.

    Attributes
    ----------
    settled : signal (Choice)
        What was chosen has been done.
    """

    settled = pyqtSignal(object)

    def __init__(
        self,
        manager: ClusterManager,
        parent: QWidget | None = None,
        title: str = "Cleanup started processes",
        why: str = "",
        then: Callable[[Choice], object] | None = None,
    ) -> None:
        super().__init__(title, parent)
        self._manager = manager
        self._then = then or self._clean
        self._doing = False
        self._settled: Choice | None = None
        self._why = why
        self.inventory: Inventory | None = None
        self._build()
        task = Task(lambda task: manager.inventory())
        task.done.connect(self.show_inventory)
        task.failed.connect(self._fail)
        task.start()

    def _build(self) -> None:
        self.why = label(self._why, bold=True)
        self.why.setVisible(bool(self._why))
        self.text = label("Looking for processes ...")
        row = QHBoxLayout()
        self.icon = icon_label(QStyle.SP_MessageBoxQuestion, self)
        row.addWidget(self.icon)
        row.addWidget(self.text, 1)
        self.table = table(TITLES)
        self.table.setSelectionMode(QTreeWidget.NoSelection)
        self.busy = Busy()
        self.busy.show()
        self.error = ErrorPanel()
        self.column.addWidget(self.why)
        self.column.addLayout(row)
        self.column.addWidget(self.table, 1)
        self.column.addWidget(self.error)
        self.column.addWidget(self.busy)
        buttons = QDialogButtonBox()
        self.stop_button = buttons.addButton("&Stop them", QDialogButtonBox.DestructiveRole)
        self.leave_button = buttons.addButton("&Leave them running", QDialogButtonBox.AcceptRole)
        self.cancel_button = buttons.addButton(QDialogButtonBox.Cancel)
        self.leave_button.setToolTip(
            "They go on when VisTrails ends; the next session finds and uses them, and can stop "
            "them"
        )
        self.stop_button.clicked.connect(lambda: self._do(Choice.STOP))
        self.leave_button.clicked.connect(lambda: self._do(Choice.LEAVE))
        self.cancel_button.clicked.connect(self.reject)
        for button in (self.stop_button, self.leave_button):
            button.setEnabled(False)
            button.setAutoDefault(False)
        self.add_buttons(buttons)
        self.cancel_button.setDefault(True)
        self.resize(600, 320)

    def show_inventory(self, inventory: Inventory) -> None:
        """Show what runs."""
        self.inventory = inventory
        self.busy.hide()
        ours = inventory.of(Origin.THIS_SESSION, Origin.DETACHED)
        sentences = [inventory.sentence(origin) for origin in Origin]
        profile = f"on the profile '{self._manager.profile}'"
        nothing = f"Nothing that Parallel Flow may stop runs {profile}."
        sentences.insert(0, f"{sentence(profile)}:" if ours else nothing)
        others = inventory.of(Origin.OTHER_SESSION, Origin.EXTERNAL)
        if others:
            sentences.append("What others have started is left alone.")
        if inventory.runs:
            verb = "is" if inventory.runs == 1 else "are"
            what = "to change the profile" if self._settles_more else "to stop the engines"
            sentences.append(
                f"{count(inventory.runs, 'Map run')} {verb} under way: {what} ends "
                f"{'it' if inventory.runs == 1 else 'them'} with an error."
            )
        self.text.setText("\n".join(filter(None, sentences)))
        self.table.clear()
        for process in inventory.processes:
            pid = "" if process.pid is None else str(process.pid)
            name = process.kind if process.pid is not None else process.text
            texts = [name, pid, process.host, process.origin.value, when(process.since)]
            item = QTreeWidgetItem(texts)
            numbers(item, 1)
            self.table.addTopLevelItem(item)
        self.table.setVisible(bool(inventory.processes))
        self.stop_button.setEnabled(bool(ours))
        # What was left running before stays so without being told again.
        self.leave_button.setEnabled(bool(inventory.of(Origin.THIS_SESSION)) or self._settles_more)
        if not self.stop_button.isEnabled() and not self.leave_button.isEnabled():
            self.cancel_button.setText("&Close")
        self.cancel_button.setFocus(Qt.OtherFocusReason)

    @property
    def _settles_more(self) -> bool:
        """Whether something depends on the answer beyond the processes."""
        return self._then != self._clean

    # -- doing --------------------------------------------------------------------------------

    def _clean(self, choice: Choice) -> object:
        if choice is Choice.LEAVE:
            return self._manager.leave_running()
        left: list[object] = [*self._manager.cleanup()]
        jobs = self._manager.inventory().of(Origin.THIS_SESSION, Origin.DETACHED)
        return [*left, *(job.text for job in jobs if job.pid is None)]

    def _do(self, choice: Choice) -> None:
        self._doing = True
        self.error.hide()
        self.text.setText(
            "Stopping them ..." if choice is Choice.STOP else "Noting that they go on ..."
        )
        self.busy.show()
        for button in (self.stop_button, self.leave_button, self.cancel_button):
            button.setEnabled(False)
        task = Task(lambda task: (choice, self._then(choice)))
        task.done.connect(self._did)
        task.failed.connect(self._fail)
        task.start()

    def _did(self, answer: tuple[Choice, object]) -> None:
        choice, left = answer
        self._doing = False
        self.busy.hide()
        self._settled = choice
        if not left or not isinstance(left, list):
            self.accept()
            return
        pids = [pid for pid in left if isinstance(pid, int)]
        lines = [
            sentence(f"{job} could not be stopped; the messages say why.")
            for job in left[len(pids) :]
        ]
        if pids:
            lines.append(
                f"{count(len(pids), 'process', 'processes')} did not stop, even when killed "
                f"(pid {', '.join(map(str, pids))}): they hang in the system, on a disk or a "
                "network drive."
            )
        self.text.setText("\n".join(lines))
        self._offer_close()

    def _fail(self, error: Exception) -> None:
        self._doing = False
        self.busy.hide()
        self.text.setText("This did not work; nothing else has changed.")
        self.error.show_error(error)
        self._offer_close()

    def _offer_close(self) -> None:
        self.cancel_button.setText("&Close")
        self.cancel_button.setEnabled(True)
        self.cancel_button.setFocus(Qt.OtherFocusReason)

    def done(self, result: int) -> None:
        """Close, and tell what has been done."""
        super().done(result)
        if self._settled is not None:
            self.settled.emit(self._settled)

    def reject(self) -> None:
        """Close, unless something is being done, which takes a few seconds at most."""
        if not self._doing:
            super().reject()
