"""All repairs, by the VisTrails module they belong to, and when they are applied."""

from __future__ import annotations

import logging
import os
import sys

from . import repairs_core, repairs_library
from .repair import Repair

_log = logging.getLogger(__name__)

#: Names of repairs to leave out, separated by commas. Only our tests set it, to show
#: that a fault is there and that the repair is what cures it.
SKIP_VARIABLE = "PARALLELFLOW_SKIP_REPAIRS"

REPAIRS: tuple[Repair, ...] = (
    *repairs_library.REPAIRS,
    *repairs_core.REPAIRS,
)

#: Names of the repairs applied in this process, in order.
applied: list[str] = []

_by_module: dict[str, list[Repair]] = {}
for _repair in REPAIRS:
    _by_module.setdefault(_repair.module, []).append(_repair)


def mended_modules() -> dict[str, list[Repair]]:
    """Return the repairs by full name of the VisTrails module they belong to."""
    return _by_module


def before_import(module: str) -> None:
    """Apply what a VisTrails module needs to be imported at all."""
    _apply(repair for repair in _by_module.get(module, ()) if repair.before)


def after_import(module: str) -> None:
    """Mend a VisTrails module that has just been imported."""
    _apply(repair for repair in _by_module.get(module, ()) if not repair.before)


def mend_loaded() -> None:
    """Mend the VisTrails modules that were imported before the finder was installed."""
    for module in _by_module:
        if module in sys.modules:
            before_import(module)
            after_import(module)


def _apply(repairs: object) -> None:
    skipped = os.environ.get(SKIP_VARIABLE, "").split(",")
    for repair in repairs:  # type: ignore[attr-defined]
        if repair.name in skipped:
            continue
        try:
            if repair.needed():
                repair.apply()
                applied.append(repair.name)
        except Exception:
            _log.warning("the repair %r of VisTrails failed", repair.name, exc_info=True)
