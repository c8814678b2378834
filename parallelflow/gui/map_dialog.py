"""The dialog Map over a list: what a Map over the selected module is to be."""

from __future__ import annotations

from PyQt5.QtWidgets import QDialogButtonBox, QWidget

from parallelflow.loops.map_editing import MapChoice, PortName, suggested_choice

from .map_form import MapForm
from .parts import PlainDialog, label

__all__ = ["MapDialog"]


class MapDialog(PlainDialog):
    """Asks what a Map over a module is to be.

    Parameters
    ----------
    name : str
        The module, as the user knows it.
    inputs, outputs : list of PortName
        Its ports.
    parent : QWidget, optional
        The window that it belongs to.
    """

    def __init__(
        self,
        name: str,
        inputs: list[PortName],
        outputs: list[PortName],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(f"Map '{name}' over a list", parent)
        self.form = MapForm()
        self.column.addWidget(
            label(
                f"'{name}' runs once for each element of a list, on the engines. A Map is put "
                "beside it and connected; one undo takes it back."
            )
        )
        self.column.addWidget(self.form, 1)
        buttons = QDialogButtonBox()
        self.make_button = buttons.addButton("&Make the Map", QDialogButtonBox.AcceptRole)
        self.cancel_button = buttons.addButton(QDialogButtonBox.Cancel)
        self.make_button.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.add_buttons(buttons)
        self.form.changed.connect(self._look)
        self.form.show_choice(suggested_choice(inputs, outputs), inputs, outputs)
        self.resize(480, 380)
        self._look()
        self.form.inputs.setFocus()

    def _look(self) -> None:
        self.make_button.setEnabled(not self.form.problem())

    def choice(self) -> MapChoice:
        """Return what the user has chosen."""
        return self.form.choice()
