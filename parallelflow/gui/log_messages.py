"""What Parallel Flow's logger has to say, among VisTrails' messages instead of on the terminal."""

from __future__ import annotations

import logging

from PyQt5.QtCore import QObject, Qt, pyqtSignal

import parallelflow

from .parts import sentence

__all__ = ["LogMessages"]


class _Handler(logging.Handler):
    def __init__(self, said: object) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.emit(record.levelno, self.format(record))  # type: ignore[attr-defined]


class LogMessages(QObject):
    """Hands records over to the window's thread, where VisTrails lists them."""

    _said = pyqtSignal(int, str)

    def __init__(self) -> None:
        super().__init__()
        self._said.connect(self._show, Qt.QueuedConnection)
        self._logger = logging.getLogger(parallelflow.__name__)
        self._handler = _Handler(self._said)
        self._logger.addHandler(self._handler)
        self._propagated, self._logger.propagate = self._logger.propagate, False

    def _show(self, level: int, text: str) -> None:
        from vistrails.core import debug

        # Its warnings are on the terminal, too: a run that goes on is no reason for that.
        (debug.warning if level > logging.WARNING else debug.log)(sentence(text))

    def close(self) -> None:
        """Leave the records to whoever else listens."""
        self._logger.removeHandler(self._handler)
        self._logger.propagate = self._propagated
        self.blockSignals(True)
