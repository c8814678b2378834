"""What elements write, as it is shown in VisTrails or on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from parallelflow.work.output import Written, write

__all__ = ["show_line", "show_marked"]


def show_marked(label: str, total: int) -> Callable[[int, Written], None]:
    """Return a function that shows an element's output line by line, marked with its index.

    Parameters
    ----------
    label : str
        What the user calls the module that loops.
    total : int
        Number of elements.
    """

    def show(index: int, written: Written) -> None:
        for stream, text in written:
            for line in text.splitlines():
                show_line(f"[{label}, element {index} of {total}] {line}", stream)

    return show


def show_line(line: str, stream: str) -> None:
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
        target: TextIO | None = sys.stderr if stream == "stderr" else sys.stdout
        write(target, f"{line}\n")
        if target is not None:
            target.flush()
