"""The entries of the menu that change a workflow's Maps."""

from __future__ import annotations

from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QMessageBox

from parallelflow.engine.workflow_results import title
from parallelflow.loops import map_editing
from parallelflow.wording import count

from . import main_window
from .entries import MapEntry
from .map_dialog import MapDialog

__all__ = ["MapActions"]


class MapActions:
    """What the entries about Maps do, on the workflow that is shown and what is selected in it."""

    def __init__(self) -> None:
        self._asking: MapDialog | None = None

    def states(self) -> dict[MapEntry, tuple[str, bool]]:
        """Return each entry's text and whether it can be used now."""
        controller, selected = _selection()
        maps = [] if controller is None else map_editing.maps_of(controller.current_pipeline)
        [only] = selected if len(selected) == 1 else [None]
        to_serial = only is not None and map_editing.is_parallel_map(only)
        all_serial = bool(maps) and all(map_editing.is_parallel_map(one) for one in maps)
        return {
            MapEntry.MAP_OVER: (MapEntry.MAP_OVER.value, only is not None),
            MapEntry.SWITCH: (
                f"Make this Map {'serial' if to_serial else 'parallel'}",
                only is not None and map_editing.is_map(only),
            ),
            MapEntry.SWITCH_ALL: (
                f"Make all Maps {'serial' if all_serial else 'parallel'}",
                bool(maps),
            ),
        }

    def do(self, entry: MapEntry) -> None:
        """Do what an entry says, or say what has to be selected for it."""
        controller, selected = _selection()
        if controller is None:
            return
        if entry is MapEntry.SWITCH_ALL:
            self._switch_all(controller)
        elif len(selected) != 1:
            chosen = f"{len(selected)} are" if selected else "none is"
            _tell(f"Select one module in the workflow first; {chosen} selected.")
        elif entry is MapEntry.MAP_OVER:
            self._ask(controller, selected[0])
        elif not map_editing.is_map(selected[0]):
            _tell(f"'{title(selected[0])}' is no Map: select a Map first.")
        else:
            _switch(controller, selected, not map_editing.is_parallel_map(selected[0]))

    def _switch_all(self, controller: Any) -> None:
        maps = map_editing.maps_of(controller.current_pipeline)
        if not maps:
            _tell("There is no Map in this workflow.")
            return
        serial = [one for one in maps if not map_editing.is_parallel_map(one)]
        _switch(controller, serial or maps, bool(serial))

    def _ask(self, controller: Any, module: Any) -> None:
        """Open the dialog; a Map is made when it is accepted."""
        self.close()
        inputs, outputs = map_editing.ports_of(controller.current_pipeline, module)
        if not inputs or not outputs:
            lacks = "input" if not inputs else "output"
            _tell(f"'{title(module)}' has no {lacks} port, so it cannot run for each element.")
            return
        asked = self._asking = MapDialog(
            title(module), inputs, outputs, main_window.parent_for_dialogs()
        )

        def make() -> None:
            if module.id not in controller.current_pipeline.modules:
                _tell("The module is gone, so no Map was made.")
                return
            new = map_editing.make_map(controller, module, asked.choice())
            _show(controller, [new])

        asked.accepted.connect(make)
        asked.open()

    def close(self) -> None:
        """Take the dialog away."""
        if self._asking is not None and not sip.isdeleted(self._asking):
            self._asking.reject()
        self._asking = None


def _selection() -> tuple[Any, list[Any]]:
    """Return the controller of the workflow that is shown, and the modules selected in it."""
    window = main_window.main_window()
    controller: Any = window.get_current_controller() if window is not None else None
    scene = getattr(controller, "current_pipeline_scene", None)
    if scene is None or controller.current_pipeline is None:
        return None, []
    modules = controller.current_pipeline.modules
    return controller, [modules[i] for i in scene.get_selected_module_ids() if i in modules]


def _switch(controller: Any, maps: list[Any], parallel: bool) -> None:
    new = map_editing.switch_maps(controller, maps, parallel)
    _show(controller, new)
    kind = "parallel" if parallel else "serial"
    window = main_window.main_window()
    window.statusBar().showMessage(f"{count(len(new), 'Map')} made {kind}.", 5000)


def _show(controller: Any, modules: list[int]) -> None:
    """Draw the workflow again, with modules selected."""
    controller.updatePipelineScene()
    scene = controller.current_pipeline_scene
    scene.clearSelection()
    for module in modules:
        if module in scene.modules:
            scene.modules[module].setSelected(True)


def _tell(text: str) -> None:
    box = QMessageBox(
        QMessageBox.Information, "Parallel Flow", text, parent=main_window.parent_for_dialogs()
    )
    box.setTextFormat(Qt.PlainText)
    box.setAttribute(Qt.WA_DeleteOnClose)
    box.open()
