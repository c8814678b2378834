"""A row of the start dialog: whether the number of engines follows the work."""

from __future__ import annotations

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QCheckBox, QHBoxLayout, QSpinBox, QWidget

from parallelflow.engine_manager.launch.capacity import MOST
from parallelflow.engine_manager.model import Limits

__all__ = ["LimitsRow"]

TIP = (
    "Engines are started when elements wait, each as a process or job of its own, and stopped when "
    "they have had no work for a minute."
)


class LimitsRow(QWidget):
    """A box to check, and the least number of engines.

    Attributes
    ----------
    changed : signal
        The box or the number has changed.
    """

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.box = QCheckBox("at the &most: as the work needs, from")
        self.least = QSpinBox()
        self.least.setRange(0, MOST)
        self.least.setEnabled(False)
        self.least.setAccessibleName("The least number of engines")
        for part in (self.box, self.least):
            part.setToolTip(TIP)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box)
        row.addWidget(self.least)
        row.addStretch()
        self.box.toggled.connect(self.least.setEnabled)
        self.box.toggled.connect(lambda _: self.changed.emit())
        self.least.valueChanged.connect(lambda _: self.changed.emit())

    def keep_below(self, most: int) -> None:
        """Let the least number be no more than the most."""
        self.least.setMaximum(most)

    def limits(self, most: int, launcher: str | None) -> Limits | None:
        """Return between how many engines there are to be; None for a fixed number."""
        if not self.box.isChecked():
            return None
        return Limits(self.least.value(), most, launcher or "local")
