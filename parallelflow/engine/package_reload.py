"""VisTrails packages that were edited since this engine enabled them."""

from __future__ import annotations

from typing import Any

from .module_sets import forget_package, is_outdated, keep_loaded

__all__ = ["reload_edited_packages"]

# Packages of VisTrails itself are part of its installation.
INSTALLED_PREFIX = "vistrails.packages."


def reload_edited_packages(manager: Any) -> None:
    """Enable packages again that are not as the session of the current run has them.

    The packages that need one of them are enabled again, too, as VisTrails does when a user
    presses *Reload*. Functions that other runs have set up keep the classes that they have.

    Parameters
    ----------
    manager : PackageManager
        This engine's.
    """
    own = [package for package in list(manager.enabled_package_list()) if _name(package)]
    for package in own:
        keep_loaded(_name(package))
    for package in own:
        if manager.has_package(package.identifier) and is_outdated(_name(package)):
            _reload(manager, package)


def _reload(manager: Any, package: Any) -> None:
    needing = [manager.get_package(i) for i in manager.all_reverse_dependencies(package.identifier)]
    prefixes = {each.codepath: each.prefix for each in needing}
    for each in needing:
        manager.late_disable_package(each.codepath)
        forget_package(_name(each) or f"{each.prefix}{each.codepath}")
    for each in reversed(needing):
        manager.late_enable_package(each.codepath, prefixes)


def _name(package: Any) -> str:
    """Return the full name of a user's package; empty for one of VisTrails' own."""
    prefix = package.prefix or ""
    return "" if prefix in ("", INSTALLED_PREFIX) else f"{prefix}{package.codepath}"
