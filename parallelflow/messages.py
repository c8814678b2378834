"""What elements write, shown in their order and marked with the element."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["OutputOrder"]


class OutputOrder:
    """Holds back what elements wrote until those before them have finished.

    Parameters
    ----------
    label : str
        What the user calls the Map.
    total : int
        Number of elements.
    """

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._next = 0
        self._finished: dict[int, int] = {}
        self._written: dict[int, list[tuple[str, str]]] = {}

    def add(self, start: int, count: int, outputs: dict[int, list[tuple[str, str]]]) -> None:
        """Take what a chunk of `count` elements from index `start` on wrote; show what is due."""
        self._finished[start] = max(count, self._finished.get(start, 0))
        for position, written in outputs.items():
            self._written[start + position] = written
        while self._next in self._finished:
            upto = self._next + self._finished.pop(self._next)
            for index in range(self._next, upto) if self._written else ():
                self._show(index)
            self._next = upto

    def flush(self) -> None:
        """Show all that is held back, after a failure or a cancel."""
        for index in sorted(self._written):
            self._show(index)

    def _show(self, index: int) -> None:
        for stream, text in self._written.pop(index, ()):
            for line in text.splitlines():
                tell(f"[{self._label}, element {index} of {self._total}] {line}", stream)


def tell(line: str, stream: str) -> None:
    """Show a line in VisTrails' messages where there is a window, else on the terminal.

    Parameters
    ----------
    line : str
        Without its end.
    stream : str
        ``stdout`` or ``stderr``; the latter is a warning in the window.
    """
    from vistrails.core import debug
    from vistrails.core.application import get_vistrails_application

    app: Any = get_vistrails_application()
    if app is not None and app.is_running_gui():
        (debug.warning if stream == "stderr" else debug.log)(line)
    else:
        target = sys.stderr if stream == "stderr" else sys.stdout
        target.write(f"{line}\n")
        target.flush()
