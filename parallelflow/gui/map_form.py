"""What is asked of a Map: the ports that take an element, the result, what an error does."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QWidget,
)

from parallelflow.loops.map_editing import MapChoice, PortName
from parallelflow.settings import POLICIES, settings
from parallelflow.work.python_value import NO_LITERAL

from .parts import label, tip
from .scrolled_page import Column
from .wording import policy

__all__ = ["MapForm"]

# Ports that are shown without scrolling.
LINES = 4


class MapForm(QWidget):
    """A form for the parameters of a Map.

    Parameters
    ----------
    fixed : dict of str to str
        What gives a port of the Map its value by a connection, by the port's name; such a part
        of the form cannot be changed.

    Attributes
    ----------
    changed : signal
        The user has changed something.
    """

    changed = pyqtSignal()

    def __init__(self, fixed: dict[str, str] | None = None) -> None:
        super().__init__()
        self._fixed = fixed or {}
        self._order: list[str] = []
        self._names: list[str] = []
        self.inputs = QListWidget()
        self.inputs.setSelectionMode(QAbstractItemView.SingleSelection)
        self.inputs.setMinimumHeight(self.inputs.fontMetrics().lineSpacing() * LINES + 8)
        self.hint = label()
        self.output = QComboBox()
        self.errors = QComboBox()
        for box in (self.output, self.errors):  # as narrow as VisTrails' palettes
            box.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(16)
        self.elements = QLineEdit()
        self.elements.setPlaceholderText("[1, 2, 3], or by a connection")
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.AllNonFixedFieldsGrow)
        form.addRow("&Result from:", self.output)
        form.addRow("If an &element fails:", self.errors)
        form.addRow("&List:", self.elements)
        self.title = label("Inputs that take an element of the list:", bold=True)
        column = Column(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addWidget(self.inputs, 1)
        column.addWidget(self.hint)
        column.addLayout(form)
        self.inputs.itemChanged.connect(self._tick)
        self.output.activated.connect(self.changed)
        self.errors.activated.connect(self.changed)
        self.elements.textEdited.connect(self._edit)

    def show_choice(
        self, choice: MapChoice, inputs: Sequence[PortName], outputs: Sequence[PortName]
    ) -> None:
        """Show a choice among the ports of a function.

        Names that are no ports of it are shown, too, and said to be missing.
        """
        self._order = list(choice.inputs)
        self.inputs.blockSignals(True)
        self.inputs.clear()
        names = self._names = [port.name for port in inputs]
        for name in choice.inputs:
            if name not in names:
                self._add_input(name, f"{name}   (the module has no such port)", True)
        for port in inputs:
            chosen = port.name in choice.inputs
            self._add_input(port.name, f"{port.name}   ({port.type})", chosen)
        self.inputs.blockSignals(False)
        if self.inputs.count():
            self.inputs.setCurrentRow(0)
        self.output.clear()
        known = {port.name: f"{port.name}   ({port.type})" for port in outputs}
        if choice.output and choice.output not in known:
            known = {choice.output: f"{choice.output}   (the module has no such port)", **known}
        for name, text in known.items():
            self.output.addItem(text, name)
        self.output.setCurrentIndex(self.output.findData(choice.output))
        self.errors.clear()
        self.errors.addItem(f"As configured ({settings().onError})", "")
        for word in POLICIES:
            self.errors.addItem(policy(word), word)
        if choice.on_error and choice.on_error not in POLICIES:
            self.errors.addItem(f"{choice.on_error!r} (not known)", choice.on_error)
        self.errors.setCurrentIndex(self.errors.findData(choice.on_error))
        self.elements.setText(choice.elements)
        self.elements.setCursorPosition(0)  # a long list is read from its begin
        self._show_fixed()
        self._say()

    def _add_input(self, name: str, text: str, chosen: bool) -> None:
        item = QListWidgetItem(text)
        item.setFlags(Qt.ItemIsEnabled | Qt.ItemIsSelectable | Qt.ItemIsUserCheckable)
        item.setCheckState(Qt.Checked if chosen else Qt.Unchecked)
        item.setData(Qt.UserRole, name)
        self.inputs.addItem(item)

    def _show_fixed(self) -> None:
        places: dict[str, QWidget] = {
            "InputPort": self.inputs,
            "OutputPort": self.output,
            "OnError": self.errors,
            "InputList": self.elements,
        }
        for port, place in places.items():
            source = self._fixed.get(port)
            place.setEnabled(source is None)
            text = f"'{port}' has its value from the module '{source}'" if source else ""
            place.setToolTip(tip(text))
        if "InputList" in self._fixed:
            self.elements.setText(f"from the module '{self._fixed['InputList']}'")

    def _tick(self, item: QListWidgetItem) -> None:
        name = item.data(Qt.UserRole)
        if item.checkState() == Qt.Checked:
            if name not in self._order:
                self._order.append(name)
        elif name in self._order:
            self._order.remove(name)
        self._say()
        self.changed.emit()

    def _edit(self) -> None:
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        """Say how elements look by what is chosen, or what is missing."""
        wrong = self.problem()
        missing = [repr(name) for name in self._order if name not in self._names]
        if wrong:
            self.hint.setText(wrong)
        elif missing and self._names:
            self.hint.setText(f"The module has no input {', '.join(missing)}.")
        elif len(self._order) > 1:
            self.hint.setText(f"Each element is a list or tuple: ({', '.join(self._order)})")
        else:
            self.hint.setText(f"'{self._order[0]}' gets each element." if self._order else "")

    def problem(self) -> str:
        """Return what keeps the choice from being used, empty if nothing does."""
        if "InputPort" not in self._fixed and not self._order:
            return "Tick at least one input."
        text = self.elements.text().strip()
        if text and "InputList" not in self._fixed:
            try:
                if not isinstance(ast.literal_eval(text), (list, tuple)):
                    raise ValueError
            except NO_LITERAL:
                return "The list is not one that Python reads, such as [1, 2] or ['a', 'b']."
        return ""

    def choice(self) -> MapChoice:
        """Return what the user has chosen."""
        return MapChoice(
            inputs=() if "InputPort" in self._fixed else tuple(self._order),
            output="" if "OutputPort" in self._fixed else self.output.currentData() or "",
            on_error="" if "OnError" in self._fixed else self.errors.currentData() or "",
            elements="" if "InputList" in self._fixed else self.elements.text().strip(),
        )
