"""Repairs of how VisTrails keeps the configuration of packages."""

from __future__ import annotations

import ast
import functools
from typing import Any

from ..configuration import keep_initial_values
from .repair import Repair, always


def _note_before_initialization(package: Any) -> None:
    initialize = package.Package.initialize

    @functools.wraps(initialize)
    def note_and_initialize(self: Any) -> None:
        keep_initial_values(self)
        initialize(self)

    package.Package.initialize = note_and_initialize


def _persist_own_only(package: Any) -> None:
    persist = package.Package.persist_configuration

    @functools.wraps(persist)
    def persist_own(self: Any, no_update: bool = False) -> None:
        if self.persistent_configuration is not None:
            persist(self, no_update)

    package.Package.persist_configuration = persist_own


def _as_list(text: Any) -> list[Any] | None:
    """Return the list that a text stands for, None if it stands for none."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError):
        return None
    return value if isinstance(value, list) else None


def _read_lists(configuration: Any) -> None:
    set_value = configuration.ConfigKey._set_value

    def set_value_or_list(self: Any, value: Any) -> None:
        if isinstance(value, str) and issubclass(self._type, list):
            found = _as_list(value)
            value = value if found is None else found  # VisTrails complains of its type
        elif isinstance(value, list) and _as_list(self.value) is not None:
            self.set_type(list)  # what was read from the file takes the list of the session
        set_value(self, value)

    configuration.ConfigKey._set_value = set_value_or_list
    configuration.ConfigKey.value = property(configuration.ConfigKey._get_value, set_value_or_list)


REPAIRS = (
    Repair(
        name="initial-configuration",
        symptom="a package whose configuration was changed since it was initialized is "
        "initialized on engines with the changed one, and computes something else there",
        cause="VisTrails does not keep what a package was initialized with",
        affected="VisTrails 3.0",
        modules=("vistrails.core.modules.package",),
        needed=always,
        after=_note_before_initialization,
    ),
    Repair(
        name="configuration-of-another",
        symptom="AttributeError: 'NoneType' object has no attribute 'update' at the end of a "
        "session with a package that imports the configuration of another one",
        cause="VisTrails takes it for the package's own, which was never loaded",
        affected="VisTrails 3.0",
        modules=("vistrails.core.modules.package",),
        needed=always,
        after=_persist_own_only,
    ),
    Repair(
        name="configuration-lists",
        symptom="TypeError: Value \"[1, 2]\" does not match type <class 'list'>, at the second "
        "start with a package whose configuration has a list",
        cause="lists are saved as text and not read as lists again",
        affected="VisTrails 3.0",
        modules=("vistrails.core.configuration",),
        needed=always,
        after=_read_lists,
    ),
)
