"""One element of a run: input, output, error and traceback, whole."""

from __future__ import annotations

import pprint
from collections.abc import Callable
from typing import Any

from PyQt5.QtWidgets import QDialogButtonBox, QWidget

from parallelflow.runs.table import RunTable
from parallelflow.system.memory import shown_bytes

from .parts import PlainDialog, code, copy
from .scrolled_page import LARGEST

__all__ = ["ElementDialog", "describe"]

#: A text in which nothing can be found any more; Qt takes seconds for much more.
MOST_CHARACTERS = 200_000
#: Of a value, and in how many containers within each other; one may be in itself.
MOST_PARTS, MOST_DEPTH = 20_000, 50


def describe(table: RunTable, index: int) -> str:
    """Return all that is known of an element, as text."""
    row, trace = table.row(index), table.progress.trace
    lines = [
        f"Element    {index} of {len(table)} (the first is 0)",
        f"State      {row.state.value}",
    ]
    if row.engine is not None:
        lines.append(f"Engine     {row.engine} on {row.host or 'an unknown host'}")
    if row.start is not None and row.seconds is not None:
        lines.append(f"Time       {row.seconds:.3g} s, from {row.start - trace.began:.2f} s on")
    if row.memory is not None:
        lines.append(f"Memory     {shown_bytes(row.memory)} at the most, of the engine's process")
    if row.attempt > 1:
        lines.append(f"Attempt    {row.attempt}")
    failure = trace.failures.get(index)
    known = row.state.value.startswith(("done", "known"))
    lines += ["", "Input", _whole(trace.element_of, index, table.shown_input(index))]
    if failure is not None:
        lines += ["", "Error", row.message]
        lines += ["", "Traceback", failure.traceback] if failure.traceback else []
    elif known:
        lines += ["", "Output", _whole(trace.value_of, index, "not kept any more")]
    return "\n".join(lines)


def _whole(look_up: Callable[[int], Any] | None, index: int, otherwise: str) -> str:
    if look_up is None:
        return otherwise
    left = [MOST_PARTS]
    try:
        text = pprint.pformat(_begin_of(look_up(index), left), width=100)
    except Exception as e:
        return f"<cannot be shown: {type(e).__name__}: {e}>"
    if len(text) > MOST_CHARACTERS or left[0] <= 0:
        return f"{text[:MOST_CHARACTERS]} ... (the begin of a larger value)"
    return text


def _begin_of(value: Any, left: list[int], depth: int = 0) -> Any:
    """Return a value without what is too much of it: the formatting of millions takes minutes.

    Parameters
    ----------
    value : object
        What is to be shown.
    left : list of int
        How many parts may be taken still; what is taken is subtracted.
    depth : int
        How many containers the value is in.
    """
    kind = type(value)
    if kind in (str, bytes) and len(value) > MOST_CHARACTERS:
        left[0] = 0
        return value[:MOST_CHARACTERS]
    if depth >= MOST_DEPTH or kind not in (list, tuple, set, frozenset, dict):
        return value
    taken = []
    for part in value.items() if kind is dict else value:
        if left[0] <= 0:
            break
        left[0] -= 1
        taken.append(_begin_of(part, left, depth + 1))
    return kind(taken)


class ElementDialog(PlainDialog):
    """Shows an element.

    Parameters
    ----------
    table : RunTable
        The run's.
    index : int
        The element's index.
    go_to_module : callable or None
        Shows the module that failed; None where there is none to show.
    parent : QWidget
        The window that it belongs to.
    """

    def __init__(
        self,
        table: RunTable,
        index: int,
        go_to_module: Callable[[], object] | None,
        parent: QWidget,
    ) -> None:
        super().__init__(f"Element {index} of '{table.progress.label}'", parent)
        self.text = code(describe(table, index), lines=16)
        self.column.addWidget(self.text)
        buttons = QDialogButtonBox(QDialogButtonBox.Close)
        buttons.rejected.connect(self.reject)
        self.copy_button = buttons.addButton("&Copy", QDialogButtonBox.ActionRole)
        self.copy_button.clicked.connect(lambda: copy(self.text.toPlainText()))
        self.module_button = buttons.addButton("&Go to module", QDialogButtonBox.ActionRole)
        self.module_button.setEnabled(go_to_module is not None)
        if go_to_module is not None:
            self.module_button.clicked.connect(lambda: (go_to_module(), self.accept()))
        self.add_buttons(buttons)
        self.resize(LARGEST.width() - 200, LARGEST.height() - 60)
