"""The engines of a cluster as a table: a model of `ClusterInfo`, and its sorting."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt

from parallelflow.engine_manager.model.information import ClusterInfo, EngineInfo
from parallelflow.trace import elements_done

from .wording import memory

__all__ = ["COLUMNS", "EngineModel", "EngineOrder"]

UNKNOWN = "?"


@dataclass(frozen=True)
class Column:
    """One column: its title, an engine's value in it, and how that is shown."""

    title: str
    value: Callable[[EngineInfo], Any]
    text: Callable[[Any], str] = str
    number: bool = False
    version: str = ""  # a version's name: the column is shown where engines differ in it
    tip: str = ""

    def shown(self, engine: EngineInfo) -> str:
        """Return what stands in an engine's cell."""
        value = self.value(engine)
        return UNKNOWN if value is None else self.text(value)


def _started(engine: EngineInfo) -> str | None:
    if engine.origin is None:
        return None
    return engine.origin.value.removeprefix("started by ").removeprefix("started ")


def _version(title: str, name: str) -> Column:
    return Column(title, operator.attrgetter(name), lambda text: text or "none", version=name)


COLUMNS = (
    Column("Host", lambda e: e.host),
    Column("Id", lambda e: e.id, number=True, tip="The engine's id in the cluster"),
    Column("Pid", lambda e: e.pid, number=True, tip="The engine's process on its host"),
    Column("System", lambda e: e.system),
    Column("Started", _started, tip="Who started it: this session or another"),
    Column("State", lambda e: e.busy, lambda busy: "busy" if busy else "idle"),
    Column(
        "Done",
        lambda e: elements_done(e.host, e.pid) or e.tasks_done,
        number=True,
        tip="Elements finished for this session; for other sessions the hub counts tasks",
    ),
    Column("Waiting", lambda e: e.tasks_waiting, number=True, tip="Tasks sent, not yet begun"),
    Column(
        "CPU",
        lambda e: e.cpu_percent,
        lambda share: f"{share:.0f} %",
        number=True,
        tip="Share of one core since the last look; known on this machine only",
    ),
    Column(
        "Memory", lambda e: e.memory_bytes, memory, number=True, tip="Known on this machine only"
    ),
    _version("Python", "python"),
    _version("ipyparallel", "ipyparallel"),
    _version("Parallel Flow", "parallelflow"),
    _version("VisTrails", "vistrails"),
)

ROLE = Qt.UserRole
"""The role under which the model gives the values themselves."""


class EngineModel(QAbstractTableModel):
    """The engines, one row each; rows keep their place, so that a selection stays."""

    def __init__(self) -> None:
        super().__init__()
        self.engines: list[EngineInfo] = []

    def update(self, info: ClusterInfo) -> bool:
        """Show what is known now; return True if any text is another one than before."""
        differs = False
        now = {engine.id: engine for engine in info.engines}
        for row in reversed(range(len(self.engines))):
            if self.engines[row].id not in now:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self.engines[row]
                self.endRemoveRows()
        for row, engine in enumerate(self.engines):
            new = now.pop(engine.id)
            self.engines[row] = new
            # An idle engine's row is not painted anew each second.
            changed = [
                n for n, about in enumerate(COLUMNS) if about.shown(new) != about.shown(engine)
            ]
            if changed:
                differs = True
                self.dataChanged.emit(self.index(row, changed[0]), self.index(row, changed[-1]))
        if now:
            first = len(self.engines)
            self.beginInsertRows(QModelIndex(), first, first + len(now) - 1)
            self.engines += now.values()
            self.endInsertRows()
        return differs or bool(now)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of engines."""
        return 0 if parent is not None and parent.isValid() else len(self.engines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns, hidden ones too."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        """Return the text, the alignment or (`ROLE`) the value of a cell."""
        if not index.isValid():
            return None
        column = COLUMNS[index.column()]
        value = column.value(self.engines[index.row()])
        if role == ROLE:
            return value
        if role == Qt.DisplayRole:
            return column.shown(self.engines[index.row()])
        if role == Qt.TextAlignmentRole and column.number:
            return int(Qt.AlignRight | Qt.AlignVCenter)
        if role == Qt.ToolTipRole and value is None:
            return "Not known (yet), or not from here"
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.DisplayRole
    ) -> Any:
        """Return a column's title and what it means."""
        if orientation != Qt.Horizontal:
            return None
        if role == Qt.DisplayRole:
            return COLUMNS[section].title
        if role == Qt.ToolTipRole:
            return COLUMNS[section].tip or None
        return None


class EngineOrder(QSortFilterProxyModel):
    """Sorts by a column's values, then by host and id; what is not known comes first."""

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Whether one row comes before another."""
        return self._key(left) < self._key(right)

    def _key(self, index: QModelIndex) -> tuple[Any, ...]:
        model = self.sourceModel()
        assert isinstance(model, EngineModel)
        engine = model.engines[index.row()]
        value = model.data(index, ROLE)
        known = (0, "") if value is None else (1, value)
        return (*known, engine.host or "", engine.id)

    def engine_at(self, index: QModelIndex) -> EngineInfo | None:
        """Return the engine of a row as it is sorted, None if there is none."""
        source = self.mapToSource(index)
        model = self.sourceModel()
        assert isinstance(model, EngineModel)
        return model.engines[source.row()] if source.isValid() else None
