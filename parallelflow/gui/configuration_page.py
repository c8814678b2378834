"""The page of the package's configuration in Preferences: explained, and checked."""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

from PyQt5.QtWidgets import QLabel

from parallelflow.engine_manager import get_manager
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import ParallelFlowError
from parallelflow.names import IDENTIFIER
from parallelflow.settings import POLICIES, Settings
from parallelflow.work.python_value import python_value

from .parts import label, sentence

__all__ = ["ConfigurationPage", "explanations", "problem"]

#: What a setting can be, by the type of its value.
KINDS = {int: "a whole number", float: "a number", bool: "True or False"}

INTRODUCTION = (
    "Select a setting to read what it does. Double-click its value to change it; changes hold "
    "from the next run on."
)


@functools.cache
def explanations() -> dict[str, str]:
    """Return what each setting does, as the documentation of `Settings` has it."""
    text = inspect.cleandoc(Settings.__doc__ or "").partition("Attributes\n----------\n")[2]
    found: dict[str, str] = {}
    for name, about in re.findall(r"^(\w+) : .*\n((?: +.*\n?)+)", text, flags=re.MULTILINE):
        words = " ".join(about.split()).replace("``", "'")
        found[name] = words.replace("*", "'")
    return found


def problem(name: str, value: Any) -> str:
    """Return why a setting cannot have a value, empty if it can."""
    default = getattr(Settings(), name, None)
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if number and not 0 <= value < math.inf:
        return f"'{name}' cannot be {value}: it is 0 or more."
    try:
        if name == "profile":
            profiles.check_name(str(value).strip() or "default")
        elif name == "launcher" and str(value).strip():
            known = [choice.name for choice in get_manager().launchers()]
            if str(value).strip().lower() not in known:
                return f"There is no launcher '{value}': choose one of {', '.join(known)}."
        elif name == "valueForFailed":
            python_value(str(value))
    except ParallelFlowError as e:
        return sentence(str(e))
    if name == "onError" and value not in POLICIES:
        return f"'onError' cannot be '{value}': it is {' or '.join(map(repr, POLICIES))}."
    return ""


class ConfigurationPage:
    """Adds explanations and checks to VisTrails' dialog for this package's configuration."""

    def __init__(self) -> None:
        from vistrails.gui.preferences import QPackageConfigurationDialog

        self._owner: Any = QPackageConfigurationDialog
        self._make, self._reset = make, reset = (
            QPackageConfigurationDialog.__init__,
            QPackageConfigurationDialog.reset_configuration,
        )

        @functools.wraps(make)
        def make_explained(dialog: Any, parent: Any, package: Any) -> None:
            make(dialog, parent, package)
            if package.identifier == IDENTIFIER:
                _explain(dialog)
                _check_changes(dialog)

        @functools.wraps(reset)
        def reset_checked(dialog: Any) -> None:
            reset(dialog)
            if hasattr(dialog, "about"):  # the tree is made again
                _check_changes(dialog)

        self._owner.__init__ = make_explained
        self._owner.reset_configuration = reset_checked

    def close(self) -> None:
        """Leave the dialog as VisTrails has it."""
        self._owner.__init__, self._owner.reset_configuration = self._make, self._reset


def _explain(dialog: Any) -> None:
    tree, about = dialog._configuration_widget._tree.treeWidget, explanations()
    for text in dialog._configuration_widget.findChildren(QLabel):
        if text.text().startswith("Set configuration variables"):
            text.setText("The settings of Parallel Flow:")
    dialog.about = label(INTRODUCTION)
    dialog.about.setMinimumHeight(3 * dialog.about.fontMetrics().lineSpacing())
    dialog.layout().insertWidget(1, dialog.about)

    def show(item: Any, _: Any = None) -> None:
        name = getattr(item, "name", "")
        dialog.about.setText(f"{name}: {about[name]}" if name in about else INTRODUCTION)

    tree.currentItemChanged.connect(show)
    dialog.resize(640, 480)


def _check_changes(dialog: Any) -> None:
    """Give the tree's items their tips, and have what is typed into them checked."""
    tree, about = dialog._configuration_widget._tree.treeWidget, explanations()
    top = tree.topLevelItem(0)
    tree.blockSignals(True)  # a tip is a change of the item, too
    for item in map(top.child, range(top.childCount())):
        for column in range(3):
            item.setToolTip(column, about.get(item.name, ""))
        item.change_value = functools.partial(_change, dialog, item, item.change_value)
    tree.blockSignals(False)


def _change(dialog: Any, item: Any, change: Callable[[str], None], text: str) -> None:
    """Change a setting if it can have the value; else say why, and show the one there is."""
    now = getattr(item._parent_obj, item.name)
    try:
        wrong = problem(item.name, item._obj_type(text))
    except (TypeError, ValueError):
        kind = KINDS.get(type(now), "of another kind")
        wrong = f"'{item.name}' cannot be '{text}': it is {kind}."
    if not wrong:
        change(text)
        dialog.about.setText(f"{item.name}: {explanations().get(item.name, '')}")
        return
    tree = item.treeWidget()
    tree.blockSignals(True)
    item.setText(1, str(now))
    tree.blockSignals(False)
    dialog.about.setText(f"Not changed. {wrong}")
