"""All repairs, by the module they belong to, and when they are applied.

Those of VisTrails itself are loaded with this file. Those of a bundled package are loaded when
a module of that package is imported, so that a session that needs no such package pays nothing.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType

from parallelflow.names import VISTRAILS

from . import (
    configuration,
    core,
    elementtree,
    group_outputs,
    group_upgrades,
    headless_qt,
    import_hook,
    loops,
    package_manager,
    qt,
    removed_modules,
    standard_library,
    window,
    window_actions,
)
from .repair import Repair

_log = logging.getLogger(__name__)

#: Names of repairs to leave out, separated by commas. Only our tests set it, to show
#: that a fault is there and that the repair is what cures it.
SKIP_VARIABLE = "PARALLELFLOW_SKIP_REPAIRS"

REPAIRS: tuple[Repair, ...] = (
    *standard_library.REPAIRS,
    *removed_modules.REPAIRS,
    *elementtree.REPAIRS,
    *core.REPAIRS,
    *configuration.REPAIRS,
    *group_outputs.REPAIRS,
    *group_upgrades.REPAIRS,
    *loops.REPAIRS,
    *import_hook.REPAIRS,
    *package_manager.REPAIRS,
    *qt.REPAIRS,
    *headless_qt.REPAIRS,
    *window.REPAIRS,
    *window_actions.REPAIRS,
)

#: Names of the repairs applied in this process so far, in order.
applied: list[str] = []

#: Where VisTrails' bundled packages are.
BUNDLED_PACKAGES = "vistrails.packages."

#: Codepath of each bundled package that has repairs: the file of `packages` they are in.
_PACKAGE_FILES = {
    "matplotlib": "matplotlib",
    "persistence": "persistence",
    "sklearn": "sklearn",
    "vtk": "vtk",
}

_by_module: dict[str, list[Repair]] = {}
_loaded_packages: set[str] = set()


def _register(repairs: tuple[Repair, ...]) -> None:
    for repair in repairs:
        for module in repair.modules:
            _by_module.setdefault(module, []).append(repair)


_register(REPAIRS)


def _repairs_of(module: str) -> list[Repair]:
    if module.startswith(BUNDLED_PACKAGES):
        codepath, _, inner = module.removeprefix(BUNDLED_PACKAGES).partition(".")
        # VisTrails imports the `__init__` of every package when it looks for one.
        if inner and codepath in _PACKAGE_FILES and codepath not in _loaded_packages:
            _register(load_package_repairs(codepath))
            _loaded_packages.add(codepath)
    return _by_module.get(module, [])


def packages_with_repairs() -> tuple[str, ...]:
    """Return the codepaths of the bundled packages that have repairs."""
    return tuple(_PACKAGE_FILES)


def load_package_repairs(codepath: str) -> tuple[Repair, ...]:
    """Return the repairs of a bundled package; its libraries are not imported.

    Parameters
    ----------
    codepath : str
        One of `packages_with_repairs`.
    """
    file = importlib.import_module(f".packages.{_PACKAGE_FILES[codepath]}", __package__)
    repairs: tuple[Repair, ...] = file.REPAIRS
    return repairs


def has_repairs(module: str) -> bool:
    """Return whether a module has repairs."""
    return bool(_repairs_of(module))


def modules_outside_vistrails() -> set[str]:
    """Return the names of the modules with repairs that are not VisTrails' own."""
    return {module for module in _by_module if module.partition(".")[0] != VISTRAILS}


@contextmanager
def around_import(module: str) -> Iterator[None]:
    """Apply the repairs of a module at their moments; the body imports it.

    Parameters
    ----------
    module : str
        Its full name.
    """
    repairs = [repair for repair in _repairs_of(module) if _is_needed(repair, "before", "around")]
    with ExitStack() as stack:
        for repair in repairs:
            if repair.around is not None:
                stack.enter_context(repair.around())
                _record(repair)
            elif repair.before is not None:
                _apply(repair, repair.before)
        yield
    _repair_module(module)


@contextmanager
def around_creation(module: str) -> Iterator[None]:
    """Enter the contexts of a module's repairs; the body creates the module, which is compiled.

    Parameters
    ----------
    module : str
        Its full name.
    """
    with ExitStack() as stack:
        for repair in _repairs_of(module):
            if repair.around is not None and _is_needed(repair, "around"):
                stack.enter_context(repair.around())
                _record(repair)
        yield


def find_standin(module: str) -> ModuleSpec | None:
    """Return the spec of what stands in for a missing module.

    Parameters
    ----------
    module : str
        Its full name.

    Returns
    -------
    ModuleSpec or None
        None if there is no repair for it.
    """
    for repair in _repairs_of(module):
        if repair.instead is not None and _is_needed(repair, "instead"):
            _record(repair)
            file = repair.instead
            folder = [str(file.parent)] if file.name == "__init__.py" else None
            return spec_from_file_location(module, file, submodule_search_locations=folder)
    return None


def repair_imported_modules() -> None:
    """Repair the modules that were imported before the finder was installed."""
    for module in _by_module:
        if module in sys.modules:
            for repair in _by_module[module]:
                if repair.before is not None and _is_needed(repair, "before"):
                    _apply(repair, repair.before)
            _repair_module(module, tuple(applied))


def repair_for_headless_core() -> None:
    """Apply the repairs that only the headless core needs to modules imported before it began."""
    for module in _by_module:
        if module in sys.modules:
            _repair_module(module, tuple(applied))


def _repair_module(module: str, done: tuple[str, ...] = ()) -> None:
    for repair in _repairs_of(module):
        if repair.after is not None and repair.name not in done and _is_needed(repair, "after"):
            _apply(repair, repair.after, sys.modules[module])


def _is_needed(repair: Repair, *moments: str) -> bool:
    if all(getattr(repair, moment) is None for moment in moments):
        return False
    if repair.name in os.environ.get(SKIP_VARIABLE, "").split(","):
        return False
    try:
        return repair.needed()
    except Exception:
        _log.warning("cannot tell whether the repair %r is needed", repair.name, exc_info=True)
        return False


def _apply(repair: Repair, cure: Callable[..., None], *module: ModuleType) -> None:
    try:
        cure(*module)
    except Exception:
        _log.warning("the repair %r failed", repair.name, exc_info=True)
    else:
        _record(repair)


def _record(repair: Repair) -> None:
    if repair.name not in applied:
        applied.append(repair.name)
