"""When each engine worked at a run's elements, as bars."""

from __future__ import annotations

from PyQt5.QtCore import QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPaintEvent
from PyQt5.QtWidgets import QWidget

from parallelflow.progress import Progress
from parallelflow.runs.charts import round_step
from parallelflow.runs.figures import Busy, timeline

__all__ = ["Timeline"]

ROW, LEFT, MARGIN = 20, 150, 8
BUSY, FAILED = QColor(42, 120, 184), QColor(200, 50, 50)
#: Marks on the axis, about.
MARKS = 6


class Timeline(QWidget):
    """Paints a bar for each engine; where it is empty, the engine was idle."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: dict[tuple[str, int], list[Busy]] = {}
        self._last = 0.0

    def show_run(self, progress: Progress | None) -> None:
        """Show what is known of a run."""
        self.spans = {} if progress is None else timeline(progress)
        self._last = max((b.end for own in self.spans.values() for b in own), default=0.0)
        if progress is not None and not progress.state.is_finished:
            self._last = max(self._last, progress.snapshot().wall_seconds)
        self.setMinimumHeight(self.sizeHint().height())
        self.update()

    def sizeHint(self) -> QSize:
        """Return the room for all engines and the axis."""
        return QSize(500, (len(self.spans) + 1) * ROW + 2 * MARGIN)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bars."""
        painter = QPainter(self)
        painter.setPen(self.palette().text().color())
        if not self.spans:
            painter.drawText(self.rect(), Qt.AlignCenter, "No element has come back yet.")
            return
        room = max(self.width() - LEFT - 2 * MARGIN, 10)
        scale = room / self._last if self._last else 0.0
        for number, ((host, engine), own) in enumerate(self.spans.items()):
            y = MARGIN + number * ROW
            name = painter.fontMetrics().elidedText(f"{engine}  {host}", Qt.ElideRight, LEFT - 8)
            painter.drawText(QRectF(MARGIN, y, LEFT, ROW), Qt.AlignVCenter, name)
            for busy in own:
                bar = QRectF(
                    LEFT + busy.start * scale,
                    y + 3,
                    max((busy.end - busy.start) * scale, 0.7),
                    ROW - 6,
                )
                painter.fillRect(bar, FAILED if busy.failed else BUSY)
        y = MARGIN + len(self.spans) * ROW
        step = round_step(self._last / MARKS)
        for number in range(int(self._last / step) + 1 if step else 1):
            x = LEFT + number * step * scale
            painter.drawLine(int(x), y, int(x), y + 4)
            text = f"{number * step:g} s"
            width = painter.fontMetrics().width(text)
            painter.drawText(int(min(x - width / 2, self.width() - width)), y + ROW, text)
