"""The runs of the past in the panel Runs."""

from __future__ import annotations

import time
from pathlib import Path

from PyQt5.QtWidgets import QTreeWidget, QTreeWidgetItem

from parallelflow.runs.detached import all_runs
from parallelflow.system.memory import shown_bytes

__all__ = ["TITLES", "fill"]

TITLES = (
    "Began", "Workflow", "Run", "State", "Elements", "Failed", "Time", "Engines", "Peak memory",
)  # fmt: skip


def fill(tree: QTreeWidget) -> None:
    """Show the runs in a table, the latest first."""
    for past in reversed(all_runs()):
        shown = (
            time.strftime("%Y-%m-%d %H:%M", time.localtime(past.began)),
            Path(past.workflow).name,
            past.label or "-",
            past.state,
            str(past.total),
            str(past.failed),
            f"{past.seconds:.1f} s",
            str(past.engines),
            shown_bytes(past.memory),
        )
        tree.addTopLevelItem(QTreeWidgetItem(list(shown)))
