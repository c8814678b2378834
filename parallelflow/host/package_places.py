"""Packages enabled from where another session has them, and made anew when they must be.

VisTrails knows a package by its codepath, the last part of its module's name; what stands
before it, the prefix, says where it comes from: ``vistrails.packages.``, ``userpackages.``,
or the name of any other Python package.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import PackageMissing
from . import user_modules
from .packages import one_line

__all__ = ["disable", "find_package", "is_enabled", "module_file"]


def module_file(prefix: str, codepath: str) -> str | None:
    """Return the file that a package has been imported from, None if it has not been."""
    module = sys.modules.get(prefix + codepath)
    return getattr(module, "__file__", None)


def is_enabled(manager: Any, package: Any) -> bool:
    """Return True if this very package object is the enabled one of its identifier."""
    return manager._package_versions.get(package.identifier, {}).get(package.version) is package


def find_package(
    manager: Any, identifier: str, module: str, folder: str, forget: Callable[[str], object]
) -> Any:
    """Return a package, loaded but not yet initialized, from its place.

    Parameters
    ----------
    manager : PackageManager
        The session's.
    identifier : str
        What it must be.
    module : str
        The full name of its module: prefix and codepath.
    folder : str
        The folder that holds the module, in the session that has it enabled.
    forget : callable
        As `disable` has it.

    Returns
    -------
    Package
        VisTrails' object for it.

    Raises
    ------
    PackageMissing
        It is not there, or cannot be imported.
    """
    prefix, codepath = module.rpartition(".")[0] + ".", module.rpartition(".")[2]
    _make_importable(prefix, folder)
    known = manager._available_packages.get(codepath)
    if known is not None and known.prefix not in (None, prefix):
        # Of the same name, from elsewhere. It may be enabled, too: VisTrails tells them apart by
        # the codepath alone.
        if codepath in manager._package_list:
            disable(manager, [known], forget)
        manager._available_packages.pop(codepath, None)
    package = manager.get_available_package(codepath, prefix=prefix)
    package.prefix = prefix
    try:
        package.load(prefix)
    except Exception as error:
        manager._available_packages.pop(codepath, None)
        raise PackageMissing(identifier, reason=one_line(error)) from error
    if identifier not in (package.identifier, *package.old_identifiers):
        raise PackageMissing(identifier, reason=f"{module} is the package {package.identifier}")
    return package


def _make_importable(prefix: str, folder: str) -> None:
    """Let the modules of a prefix be imported from a folder, if this machine has it."""
    place = Path(folder)
    importlib.invalidate_caches()  # it may have come there since it was last looked for
    if not folder or not place.is_dir():
        return
    if prefix == f"{user_modules.PACKAGES}.":
        user_modules.add_folder(place)
        return
    root = place
    for _ in range(prefix.count(".")):
        root = root.parent
    if str(root) not in sys.path and not _is_importable(prefix.rstrip(".")):
        sys.path.append(str(root))
        importlib.invalidate_caches()


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def disable(manager: Any, packages: Iterable[Any], forget: Callable[[str], object]) -> None:
    """Disable packages and those that depend on them.

    The next time one is enabled it is imported and initialized anew.

    Parameters
    ----------
    manager : PackageManager
        The session's.
    packages : iterable of Package
        Enabled ones.
    forget : callable
        Called with the full name of each one's module: takes it and those below it out of
        ``sys.modules``. VisTrails forgets what was imported while the package was loaded, not
        what its modules have imported later.
    """
    for package in packages:
        if not is_enabled(manager, package):
            continue
        for identifier in manager.all_reverse_dependencies(package.identifier):
            dependent = manager.get_package(identifier)
            module = (dependent.prefix or "") + dependent.codepath
            manager.late_disable_package(dependent.codepath)
            manager._available_packages.pop(dependent.codepath, None)
            forget(module)
