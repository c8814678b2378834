"""The runs under way (a Map, a `parallel_map`), each a line and a bar."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from parallelflow.progress import RunState, Snapshot
from parallelflow.wording import count

from .parts import label
from .wording import run_line

__all__ = ["RunsView"]

# More do not fit a small screen; the others are counted.
SHOWN = 3


class _Row(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.line = label()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(10)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.line)
        column.addWidget(self.bar)

    def show_run(self, run: Snapshot) -> None:
        self.line.setText(run_line(run))
        if run.state is RunState.PREPARING:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, max(run.total, 1))
            self.bar.setValue(run.done + run.failed)


class RunsView(QWidget):
    """Shows the runs that it is given; takes no room without any."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = [_Row() for _ in range(SHOWN)]
        self.more = label()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for row in self.rows:
            column.addWidget(row)
        column.addWidget(self.more)
        self.show_runs(())

    def show_runs(self, runs: Sequence[Snapshot]) -> None:
        """Show the runs, the oldest first."""
        for number, row in enumerate(self.rows):
            row.setVisible(number < len(runs))
            if number < len(runs):
                row.show_run(runs[number])
        others = len(runs) - SHOWN
        self.more.setText(f"and {count(others, 'other run')}")
        self.more.setVisible(others > 0)
        self.setVisible(bool(runs))
