"""The page of the package's configuration in Preferences: explained, and checked."""

from __future__ import annotations

import functools
import inspect
import re
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
    if number and not float(value) >= 0:
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
        self._make, self._note = make, note = (
            QPackageConfigurationDialog.__init__,
            QPackageConfigurationDialog.configuration_changed,
        )

        @functools.wraps(make)
        def make_explained(dialog: Any, parent: Any, package: Any) -> None:
            make(dialog, parent, package)
            if package.identifier == IDENTIFIER:
                _explain(dialog)

        @functools.wraps(note)
        def note_checked(dialog: Any, item: Any, value: Any) -> None:
            if not hasattr(dialog, "kept") or _check(dialog, item):
                note(dialog, item, value)

        self._owner.__init__ = make_explained
        self._owner.configuration_changed = note_checked

    def close(self) -> None:
        """Leave the dialog as VisTrails has it."""
        self._owner.__init__, self._owner.configuration_changed = self._make, self._note


def _explain(dialog: Any) -> None:
    tree = dialog._configuration_widget._tree.treeWidget
    about = explanations()
    for text in dialog._configuration_widget.findChildren(QLabel):
        if text.text().startswith("Set configuration variables"):
            text.setText("The settings of Parallel Flow:")
    dialog.about = label(INTRODUCTION)
    dialog.about.setMinimumHeight(3 * dialog.about.fontMetrics().lineSpacing())
    dialog.layout().insertWidget(1, dialog.about)
    dialog.kept = {
        name: getattr(dialog._configuration_object, name)
        for name in about
        if hasattr(dialog._configuration_object, name)
    }
    top = tree.topLevelItem(0)
    tree.blockSignals(True)  # a tip is a change of the item, too
    for item in map(top.child, range(top.childCount())):
        for column in range(3):
            item.setToolTip(column, about.get(item.name, ""))
    tree.blockSignals(False)

    def show(item: Any, _: Any = None) -> None:
        name = getattr(item, "name", "")
        dialog.about.setText(f"{name}: {about[name]}" if name in about else INTRODUCTION)

    tree.currentItemChanged.connect(show)
    dialog.resize(640, 480)


def _check(dialog: Any, item: Any) -> bool:
    """Return True if a value can be kept; else say why, and put the one before back."""
    name, configuration = item.name, dialog._configuration_object
    wrong = problem(name, getattr(configuration, name))
    if not wrong:
        dialog.kept[name] = getattr(configuration, name)
        return True
    setattr(configuration, name, dialog.kept[name])
    tree = item.treeWidget()
    tree.blockSignals(True)
    item.setText(1, str(dialog.kept[name]))
    tree.blockSignals(False)
    dialog.about.setText(f"Not changed. {wrong}")
    return False
