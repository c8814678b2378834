"""Map's configuration in VisTrails' window (Ctrl+E): chosen from the ports of what it runs."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialogButtonBox, QVBoxLayout
from vistrails.gui.modules.module_configure import StandardModuleConfigurationWidget

from parallelflow.engine.workflow_results import title
from parallelflow.loops.map_editing import (
    MapChoice,
    PortName,
    choice_of,
    configure_map,
    connected,
    function_of,
    ports_of,
    suggested_choice,
)

from .map_form import MapForm
from .parts import label

__all__ = ["MapConfiguration"]

PORTS = ("InputPort", "OutputPort", "OnError", "InputList")


class MapConfiguration(StandardModuleConfigurationWidget):
    """VisTrails' configuration widget of Parallel Flow's Map.

    Parameters
    ----------
    module : Module
        The Map in the workflow.
    controller : VistrailController
        The workflow's controller.
    """

    def __init__(self, module: Any, controller: Any, **kwargs: Any) -> None:
        super().__init__(module, controller, **kwargs)
        column = QVBoxLayout(self)
        pipeline = controller.current_pipeline
        given = {port: connected(pipeline, module.id, port) for port in PORTS}
        self.form = MapForm({port: title(found[0]) for port, found in given.items() if found})
        self.line = label()
        buttons = QDialogButtonBox(QDialogButtonBox.Save | QDialogButtonBox.Reset)
        self.save_button = buttons.button(QDialogButtonBox.Save)
        self.reset_button = buttons.button(QDialogButtonBox.Reset)
        self.save_button.clicked.connect(self.saveTriggered)
        self.reset_button.clicked.connect(self.resetTriggered)
        for part in (self.line, self.form, buttons):
            column.addWidget(part)
        column.setStretchFactor(self.form, 1)
        self.form.changed.connect(self._note_change)
        self.resetTriggered()

    def activate(self) -> None:
        """Take the keys, when VisTrails shows it for Ctrl+E."""
        self.form.inputs.setFocus(Qt.ShortcutFocusReason)

    def resetTriggered(self) -> None:
        """Show what the workflow has."""
        pipeline = self.controller.current_pipeline
        function = function_of(pipeline, self.module.id)
        inputs: list[PortName] = []
        outputs: list[PortName] = []
        if function is None:
            text = "Connect the port 'self' of the module to run to 'FunctionPort' first."
        else:
            inputs, outputs = ports_of(pipeline, function)
            text = f"Runs '{title(function)}' once for each element of the list."
        try:
            choice = choice_of(self.module)
        except ValueError as e:
            choice, text = MapChoice(), f"{text}\n{e}: choose again."
        suggested = suggested_choice(inputs, outputs)
        self.line.setText(text)
        self.form.show_choice(
            MapChoice(
                choice.inputs or suggested.inputs,
                choice.output or suggested.output,
                choice.on_error,
                choice.elements,
            ),
            inputs,
            outputs,
        )
        self._set_changed(False)

    def saveTriggered(self) -> bool:
        """Write what was chosen into the workflow, as one step; return whether it could be."""
        wrong = self.form.problem()
        if wrong:
            self.line.setText(f"Not saved. {wrong}")
            return False
        configure_map(self.controller, self.module, self.form.choice())
        self._set_changed(False)
        self.doneConfigure.emit(self.module.id)
        return True

    def _note_change(self) -> None:
        self._set_changed(True)

    def _set_changed(self, changed: bool) -> None:
        self.state_changed = changed
        # What is suggested can be saved without a change.
        self.save_button.setEnabled(not self.form.problem())
        self.reset_button.setEnabled(changed)
        self.stateChanged.emit()
