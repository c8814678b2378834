"""What elements write, as it is shown in VisTrails or on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from parallelflow.errors import element_place
from parallelflow.wording import count
from parallelflow.work.output import Written, write

from .loop import Loop
from .trial import Trial

__all__ = ["cheap_line", "forget_shown", "show_line", "show_marked", "show_once", "stays_line"]

_shown: set[str] = set()


def show_marked(loop: Loop) -> Callable[[int, Written], None]:
    """Return a function that shows an element's output line by line, marked with its index.

    Parameters
    ----------
    loop : Loop
        The loop.
    """
    total = len(loop.elements)

    def show(index: int, written: Written) -> None:
        place = element_place(index, loop.path_of(index))
        for stream, text in written:
            for line in text.splitlines():
                show_line(f"[{loop.label}, element {place} of {total}] {line}", stream)

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


def show_once(subject: str, line: str) -> None:
    """Show a warning, but once only in a session.

    Parameters
    ----------
    subject : str
        What it is about.
    line : str
        Without its end.
    """
    if subject not in _shown:
        _shown.add(subject)
        show_line(line, "stderr")


def cheap_line(loop: Loop, trial: Trial) -> str:
    """Return what is said of a loop whose elements were not worth sending."""
    n = len(loop.elements)
    return (
        f"Parallel Flow: the {count(n, 'element')} of {loop.label} stayed here: at "
        f"{1000 * trial.mean_seconds:.1f} ms each, engines would have taken longer. "
        "(This is told once; other loops are measured in the same way.)"
    )


def stays_line(loop: Loop, why: str) -> str:
    """Return what is said of a loop that engines cannot evaluate."""
    return f"Parallel Flow: {loop.label} stays in this process: {why}"


def forget_shown() -> None:
    """Show each warning again, the next time."""
    _shown.clear()
