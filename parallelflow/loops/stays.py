"""Modules that belong to this process: the window's, those that write results, jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from .describe import module_classes

__all__ = ["belongs_here", "classes_belong_here"]

CLASSES = (
    ("vistrails.core.modules.output_modules", "OutputModule"),
    ("vistrails.core.vistrail.job", "JobMixin"),
    ("vistrails.packages.spreadsheet.basic_widgets", "SpreadsheetCell"),
)
"""Classes by their modules; what derives from them stays, too."""

PACKAGES = (
    "vistrails.packages.dialogs.",
    "vistrails.packages.persistence.",
    "vistrails.packages.persistent_archive.",
    "vistrails.packages.spreadsheet.",
)
"""Whole packages that work with the window or with a store of this machine."""

PLUMBING = (
    ("vistrails.core.modules.basic_modules", "Constant"),
    ("vistrails.core.modules.sub_module", "InputPort"),
    ("vistrails.core.modules.sub_module", "OutputPort"),
)
"""Modules that only pass a value on."""


def belongs_here(modules: Iterable[Any]) -> bool:
    """Return True if one of a loop's modules has to run in this process.

    Parameters
    ----------
    modules : sequence of Module
        As `modules_to_send` returns them; what is in Groups and SubWorkflows counts, too.
    """
    modules = list(modules)
    if any(isinstance(module, _known(PLUMBING)) for module in modules):
        return True
    return classes_belong_here(module_classes(modules))


def classes_belong_here(classes: Iterable[type]) -> bool:
    """Return True if a module of one of some classes has to run in this process.

    Parameters
    ----------
    classes : iterable of type
        Classes of modules, of those inside Groups and SubWorkflows, too.
    """
    staying = _known(CLASSES)
    return any(
        issubclass(cls, staying) or any(c.__module__.startswith(PACKAGES) for c in cls.__mro__)
        for cls in classes
    )


def _known(names: Iterable[tuple[str, str]]) -> tuple[type, ...]:
    """Return those of some classes that have been imported: others are nobody's base."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in names)
    return tuple(cls for cls in found if cls is not None)
