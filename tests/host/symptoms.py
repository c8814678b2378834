"""The faults that `parallelflow.host` mends, each shown by a function that raises if it is there.

Run in a process of its own, because each needs a fresh import of VisTrails::

    python -m tests.host.symptoms NAME [NAME ...]

The exit code is 0 if no symptom shows, 1 with a traceback if one does, and 77 if this Python or
environment has none of the named faults.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NOT_HERE = 77


@dataclass(frozen=True)
class Symptom:
    """How a fault shows, and whether this machine has it at all."""

    check: Callable[[], None]
    here: Callable[[], bool]
    says: str  # a regular expression that the traceback fits
    hidden_by: tuple[str, ...]  # other repairs that cure it by the way


SYMPTOMS: dict[str, Symptom] = {}


def symptom(
    repair: str,
    says: str,
    here: Callable[[], bool] = lambda: True,
    hidden_by: tuple[str, ...] = (),
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function as the symptom that a repair cures."""

    def register(check: Callable[[], None]) -> Callable[[], None]:
        SYMPTOMS[repair] = Symptom(check, here, says, hidden_by)
        return check

    return register


_kept: list[Any] = []


def qt_application() -> Any:
    """Return the Qt application, made if there is none; it lives as long as the process."""
    from PyQt5.QtWidgets import QApplication

    if not _kept:
        _kept.append(QApplication.instance() or QApplication(["test"]))
    return _kept[0]


def load() -> dict[str, Symptom]:
    """Return all symptoms by the name of their repair."""
    for name in (
        "library",
        "core",
        "packages",
        "headless",
        "window",
        "window_actions",
        "matplotlib",
        "persistence",
        "sklearn",
        "vtk",
    ):
        importlib.import_module(f"tests.host.symptoms_{name}")
    return SYMPTOMS


def main(names: list[str]) -> int:
    """Check the named symptoms, in order."""
    # Run as a program this file is __main__; the symptoms register with the imported one.
    symptoms = importlib.import_module("tests.host.symptoms").load()
    if not any(symptoms[name].here() for name in names):
        return NOT_HERE
    from parallelflow import host

    host.activate()
    for name in names:
        if symptoms[name].here():
            symptoms[name].check()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
