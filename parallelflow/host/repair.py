"""What a repair is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Repair:
    """One fault of VisTrails on a current system, and its cure at run time.

    Attributes
    ----------
    name : str
        Short name, unique.
    symptom : str
        What a person saw without it.
    cause : str
        Why.
    affected : str
        The Python, PyQt5 or VisTrails versions that have the fault.
    module : str
        The VisTrails module it belongs to. It is applied right after the module was
        imported, or right before if ``before`` is true.
    needed : callable
        Returns whether the fault is present, here and now.
    apply : callable
        Mends it, for this process only; no file is changed.
    before : bool
        Whether the module cannot even be imported without the repair.
    """

    name: str
    symptom: str
    cause: str
    affected: str
    module: str
    needed: Callable[[], bool]
    apply: Callable[[], None]
    before: bool = False
