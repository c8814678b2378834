"""How far a start has come: a view of a `StartSnapshot`, one line for each engine."""

from __future__ import annotations

from PyQt5.QtWidgets import QProgressBar, QTreeWidget, QTreeWidgetItem, QWidget

from parallelflow.engine_manager.model import EngineStart, Stage, StartSnapshot

from .parts import label, numbers, table, tip
from .scrolled_page import Column
from .wording import start_line

__all__ = ["StartView"]

# What each engine's stage is worth in the bar; the controller counts as one step more.
STEPS = {Stage.WAITING: 0, Stage.STARTED: 1, Stage.REGISTERED: 2, Stage.READY: 3, Stage.FAILED: 3}
CONTROLLER_STEPS = {Stage.WAITING: 0, Stage.STARTED: 1, Stage.REGISTERED: 2}

TITLES = ("Engine", "State", "Id", "Pid", "Host")


class StartView(QWidget):
    """Shows a start: a line, a bar and a table of the engines."""

    def __init__(self) -> None:
        super().__init__()
        self.line = label("Starting ...")
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.table = table(TITLES, lines=2)
        self.table.setSelectionMode(QTreeWidget.NoSelection)
        column = Column(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.line)
        column.addWidget(self.bar)
        column.addWidget(self.table, 1)
        self.snapshot: StartSnapshot | None = None

    def begin(self) -> None:
        """Show nothing of a start before."""
        self.snapshot = None
        self.line.setText("Starting ...")
        self.bar.setRange(0, 0)
        self.table.clear()

    def show_snapshot(self, snapshot: StartSnapshot) -> None:
        """Show how far the start has come."""
        before = self.snapshot.engines if self.snapshot is not None else ()
        self.snapshot = snapshot
        self.line.setText(start_line(snapshot))
        self.bar.setRange(0, 3 * len(snapshot.engines) + 2)
        controller = CONTROLLER_STEPS.get(snapshot.controller or Stage.REGISTERED, 2)
        self.bar.setValue(controller + sum(STEPS[e.stage] for e in snapshot.engines))
        while self.table.topLevelItemCount() < len(snapshot.engines):
            self.table.addTopLevelItem(QTreeWidgetItem())
        for row, engine in enumerate(snapshot.engines):
            if row >= len(before) or before[row] != engine:
                self._fill(self.table.topLevelItem(row), engine)

    def _fill(self, item: QTreeWidgetItem, engine: EngineStart) -> None:
        state = f"{engine.stage.value}: {engine.note}" if engine.note else engine.stage.value
        if engine.stage is Stage.WAITING and engine.note:
            state = engine.note  # it was stopped because another one failed
        texts = (engine.number, state, engine.engine, engine.pid, engine.host)
        for column, text in enumerate(texts):
            item.setText(column, "" if text is None else str(text))
        numbers(item, 0, 2, 3)
        item.setToolTip(1, tip(state))

    def end(self) -> None:
        """Stop the bar where it stands: nothing more will come."""
        if self.bar.maximum() == 0:
            self.bar.setRange(0, 1)
