"""The elements of a run as a table model: a row is made when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PyQt5.QtCore import QAbstractTableModel, QModelIndex, Qt
from PyQt5.QtGui import QBrush, QColor

from parallelflow.progress import Progress
from parallelflow.runs.table import COLUMNS, ElementState, Row, RunTable
from parallelflow.system.memory import shown_bytes

from .parts import tip

__all__ = ["MOST_SEARCHED", "RunModel"]

TITLES = (
    "#", "State", "Input", "Engine", "Host", "Start", "Seconds", "Peak memory",
    "Attempt", "Message",
)  # fmt: skip
NUMBERS = {"index", "engine", "start", "seconds", "memory", "attempt"}
#: So many elements are searched for a text in what they show; of more, only failed ones.
MOST_SEARCHED = 20_000
#: Of an index; Python refuses to read numbers of thousands of digits.
MOST_DIGITS = 19
#: So many are sorted again while the run goes on.
MOST_RESORTED = 50_000
#: Characters of a cell: a message may be a megabyte, of which Qt would measure each.
MOST_SHOWN = 500
FAILED = QBrush(QColor(200, 50, 50))


class RunModel(QAbstractTableModel):
    """The elements of the run that is shown; empty without one."""

    def __init__(self) -> None:
        super().__init__()
        self.table: RunTable | None = None
        self._order: Sequence[int] = ()
        self._total = 0
        self._column, self._descending = "index", False
        self._state: ElementState | None = None
        self._text = ""
        #: Whether words have been looked for in failed elements only, as there are very many.
        self.searched_failed = False
        self._row: tuple[int, Row] | None = None

    def show_run(self, progress: Progress | None) -> None:
        """Show another run."""
        self.beginResetModel()
        self.table = None if progress is None else RunTable(progress)
        if self.table is not None:
            self.table.refresh()
        self._arrange()
        self.endResetModel()

    def refresh(self) -> None:
        """Read what has come back since."""
        if self.table is None:
            return
        new = self.table.refresh()
        plain = self._column == "index" and self._state is None and not self._text
        grown = len(self.table) != self._total
        if grown or (new and not plain and self._total <= MOST_RESORTED):
            self._rearrange()
        elif self._order:
            self._row = None
            self.dataChanged.emit(
                self.index(0, 0), self.index(len(self._order) - 1, len(COLUMNS) - 1)
            )

    def filter(self, state: ElementState | None, text: str) -> None:
        """Show elements in a state, or all; and those with a text in what is shown of them."""
        self._state, self._text = state, text.strip().lower()
        self._rearrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.AscendingOrder) -> None:
        """Sort by a column."""
        self._column, self._descending = COLUMNS[column], order == Qt.DescendingOrder
        self._rearrange()

    def _rearrange(self) -> None:
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        self._row, self.searched_failed = None, False
        self._total = 0 if self.table is None else len(self.table)
        if self.table is None:
            self._order = ()
            return
        found = self.table.order(self._column, self._descending, self._state)
        if self._text:
            found = self._search(found)
        self._order = found

    def _search(self, found: Sequence[int]) -> list[int]:
        assert self.table is not None
        if self._text.isdecimal() and len(self._text) < MOST_DIGITS and int(self._text) in found:
            return [int(self._text)]
        if len(found) > MOST_SEARCHED:
            self.searched_failed = True
            found = [i for i in found if i in self.table.progress.trace.failures]
        return [i for i in found if any(self._text in text.lower() for text in self.texts(i))]

    # -- what the view asks ----------------------------------------------------------------

    def element(self, place: int) -> int:
        """Return the index of the element in a row of the table."""
        return self._order[place]

    def first_failure(self) -> str:
        """Return what the first failed element says, to follow another text; empty without one."""
        if self.table is None or not (failures := self.table.progress.trace.failures):
            return ""
        first = min(failures)
        message = self.table.row(first).message.partition("\n")[0]
        return f"; element {first}: {message[:MOST_SHOWN]}"

    def place(self, element: int) -> int | None:
        """Return the row that an element is in, None if it is not shown."""
        if isinstance(self._order, range):
            return self._order.index(element) if element in self._order else None
        return self._order.index(element) if element in self._order else None

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return how many elements are shown."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return how many columns there are."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.DisplayRole
    ) -> Any:
        """Return a column's title."""
        if role == Qt.DisplayRole and orientation == Qt.Horizontal:
            return TITLES[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        """Return what a cell shows."""
        if self.table is None or not index.isValid():
            return None
        column = COLUMNS[index.column()]
        if role == Qt.TextAlignmentRole:
            return int((Qt.AlignRight if column in NUMBERS else Qt.AlignLeft) | Qt.AlignVCenter)
        row = self._row_at(index.row())
        if role == Qt.ForegroundRole and row.state is ElementState.FAILED:
            return FAILED if column in ("state", "message") else None
        if role in (Qt.DisplayRole, Qt.ToolTipRole):
            text = self._text_of(row, column)
            if role == Qt.ToolTipRole:
                return tip(text) if column in ("input", "message") else None
            return text.partition("\n")[0][:MOST_SHOWN]
        return None

    def _row_at(self, place: int) -> Row:
        assert self.table is not None
        if self._row is None or self._row[0] != place:
            self._row = place, self.table.row(self._order[place])
        return self._row[1]

    def _text_of(self, row: Row, column: str) -> str:
        assert self.table is not None
        if column == "input":
            return self.table.shown_input(row.index)
        if column == "start":
            began = self.table.progress.trace.began
            return "" if row.start is None else f"{row.start - began:.2f} s"
        if column == "seconds":
            return "" if row.seconds is None else _shown(row.seconds)
        if column == "memory":
            return shown_bytes(row.memory or 0)
        if column == "state":
            return row.state.value
        if column == "attempt":
            return str(row.attempt or "")
        value = getattr(row, column)
        return "" if value is None else str(value)

    def texts(self, element: int) -> list[str]:
        """Return what is shown of an element, column by column."""
        assert self.table is not None
        row = self.table.row(element)
        return [self._text_of(row, column) for column in COLUMNS]

    def as_text(self) -> str:
        """Return what is shown, as lines with tabs; of very many rows the first."""
        lines = ["\t".join(TITLES)]
        lines += ["\t".join(self.texts(index)) for index in self._order[:MOST_SEARCHED]]
        return "\n".join(lines)


def _shown(seconds: float) -> str:
    """Return seconds with as many places as tell something."""
    return f"{seconds:.{2 if seconds >= 10 else 4 if seconds >= 0.001 else 6}f}"
