"""VisTrails' Control Flow Assistant, with a choice of the Map that it makes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from PyQt5.QtWidgets import QCheckBox

from parallelflow.loops.map_editing import is_map, switch_maps

__all__ = ["ParallelAssistant"]


class ParallelAssistant:
    """Adds *Run the elements on engines* to the assistant's dialog while it is there."""

    def __init__(self) -> None:
        from vistrails.gui.controlflow_assist import QControlFlowAssistDialog

        self._owner: Any = QControlFlowAssistDialog
        self._make, self._create = make, create = (
            QControlFlowAssistDialog.__init__,
            QControlFlowAssistDialog.createControlFlow,
        )

        @functools.wraps(make)
        def make_with_choice(dialog: Any, *args: Any, **kwargs: Any) -> None:
            make(dialog, *args, **kwargs)
            dialog.parallel = QCheckBox("&Run the elements on engines (Parallel Flow's Map)")
            dialog.parallel.setChecked(True)
            layout = dialog.layout()
            layout.insertWidget(layout.count() - 1, dialog.parallel)

        @functools.wraps(create)
        def create_as_chosen(dialog: Any, *args: Any, **kwargs: Any) -> None:
            if not dialog.parallel.isChecked():
                create(dialog, *args, **kwargs)
                return
            controller = dialog.controller
            dialog.controller = _WithParallelMaps(controller)
            try:
                create(dialog, *args, **kwargs)
            finally:
                dialog.controller = controller

        self._owner.__init__ = make_with_choice
        self._owner.createControlFlow = create_as_chosen

    def close(self) -> None:
        """Leave the assistant as VisTrails has it."""
        self._owner.__init__, self._owner.createControlFlow = self._make, self._create


class _WithParallelMaps:
    """A controller whose Groups get parallel Maps in the place of the serial ones put into them."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._controller, name)

    def create_group(self, modules: Sequence[int], connections: Sequence[int]) -> Any:
        """Make the Maps among the modules parallel, then the Group."""
        controller = self._controller
        pipeline = controller.current_pipeline
        maps = [pipeline.modules[i] for i in modules if is_map(pipeline.modules[i])]
        new = switch_maps(controller, maps, parallel=True)
        if new:
            inside = {*modules, *new} - {module.id for module in maps}
            modules = sorted(inside)
            connections = [
                connection.id
                for connection in controller.current_pipeline.connections.values()
                if {connection.source.moduleId, connection.destination.moduleId} <= inside
            ]
        return controller.create_group(modules, connections)
