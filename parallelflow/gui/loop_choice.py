"""What runs on engines, by the user's choice: one module's loop, or all loops of the session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from PyQt5 import sip
from PyQt5.QtWidgets import QCheckBox

from parallelflow.loops.choice import KEY, Scope, is_marked, session_scope, set_session_scope
from parallelflow.loops.map import Map
from parallelflow.loops.patches import replaced_method

from .canvas_mark import repaint

__all__ = ["ModuleOption", "all_loops", "choose_all_loops"]

TEXT = "Run on engines"

TIP = (
    "Run this module on the engines of the cluster. If it loops, its elements are shared out among "
    "them: of a list that it gets where it takes one value, or, of a Map, Filter or For, of its "
    "list. If not, the module, or the whole Group, runs on one engine, at the same time as others "
    "that are marked. The choice is saved in the workflow."
)
ALWAYS_TIP = "This module is made to run on engines"


def all_loops() -> bool:
    """Return True if all loops of the session run on engines where that is worth it."""
    return Scope.WORTH_IT in session_scope()


def choose_all_loops(wanted: bool) -> None:
    """Run all loops of the session on engines, where that is worth it, or only those marked."""
    set_session_scope(Scope.WORTH_IT if wanted else Scope.MARKED)
    repaint()


class ModuleOption:
    """Adds *Run on engines* to VisTrails' dialog on how a module is executed."""

    def __init__(self) -> None:
        from vistrails.gui.module_options import QModuleOptions

        self._boxes: list[QCheckBox] = []
        self._stack = contextlib.ExitStack()
        self._wrap(QModuleOptions, "update_module", self._show)
        self._wrap(QModuleOptions, "updateVistrail", self._save)
        existing = getattr(QModuleOptions, "_instance", None)
        if existing is not None and existing.module is not None:
            self._show(existing)

    def _wrap(self, owner: type, name: str, after: Callable[[Any], None]) -> None:
        method = getattr(owner, name)

        def with_ours(dialog: Any, *arguments: Any, **keywords: Any) -> Any:
            result = method(dialog, *arguments, **keywords)
            after(dialog)
            return result

        self._stack.enter_context(replaced_method(owner, name, with_ours))

    def _box(self, dialog: Any) -> QCheckBox:
        """Return the dialog's check box, made at the first call."""
        for box in self._boxes:
            if not sip.isdeleted(box) and box.parent() is dialog:
                return box
        box = QCheckBox(TEXT, dialog)
        layout = dialog.layout()
        layout.insertWidget(layout.indexOf(dialog.jobCacheButton) + 1, box)
        box.toggled.connect(dialog._stateChanged)
        self._boxes.append(box)
        return box

    def _show(self, dialog: Any) -> None:
        """Show what the workflow has of the module that is selected."""
        box, module = self._box(dialog), dialog.module
        always = module is not None and _is_ours(module)
        box.blockSignals(True)  # shown, not changed
        box.setChecked(always or (module is not None and is_marked(module)))
        box.setEnabled(module is not None and not always)
        box.setToolTip(ALWAYS_TIP if always else TIP)
        box.blockSignals(False)

    def _save(self, dialog: Any) -> None:
        """Change the workflow, if the choice has changed."""
        module, wanted = dialog.module, self._box(dialog).isChecked()
        if _is_ours(module) or wanted == is_marked(module):
            return
        if module.has_control_parameter_with_name(KEY):
            dialog.controller.delete_control_parameter(KEY, module.id)
        if wanted:
            dialog.controller.add_control_parameter((KEY, "true"), module.id)
        repaint()

    def close(self) -> None:
        """Leave the dialog as VisTrails has it."""
        self._stack.close()
        for box in self._boxes:
            if not sip.isdeleted(box):
                sip.delete(box)
        self._boxes.clear()


def _is_ours(module: Any) -> bool:
    try:
        return issubclass(module.module_descriptor.module, Map)
    except Exception:  # a Group, and a module whose package is missing, have no class
        return False
