"""The runs of the past in the panel Runs."""

from __future__ import annotations

import time
from pathlib import Path

from PyQt5.QtWidgets import QTreeWidget, QTreeWidgetItem

from parallelflow.runs.detached import all_runs
from parallelflow.runs.history import history_file
from parallelflow.system.memory import shown_bytes

from .parts import tip

__all__ = ["TITLES", "fill", "stamp"]

TITLES = (
    "Began", "Workflow", "Run", "State", "Elements", "Failed", "Time", "Engines", "Peak memory",
)  # fmt: skip


def stamp() -> object:
    """Return what is another thing when a run has been added since; costs next to nothing."""
    try:
        found = history_file().stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def fill(tree: QTreeWidget) -> None:
    """Show the runs in a table, the latest first."""
    tree.clear()
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
        item = QTreeWidgetItem(list(shown))
        for column, text in ((1, past.workflow), (3, past.first_error)):
            item.setToolTip(column, tip(text))
        tree.addTopLevelItem(item)
