"""Enabling VisTrails packages in a session that runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import PackageMissing


def enable_packages(identifiers: Iterable[str]) -> None:
    """Enable packages that are not enabled yet, their dependencies first.

    Parameters
    ----------
    identifiers : iterable of str
        Identifiers, e.g. ``org.vistrails.vistrails.pythoncalc``. Former identifiers of
        a package are understood too.

    Raises
    ------
    PackageMissing
        A package, or one it depends on, is not available or cannot run here.
    """
    from vistrails.core.packagemanager import get_package_manager

    manager = get_package_manager()
    for identifier in identifiers:
        _enable(manager, identifier, wanted_by=[])


def _enable(manager: Any, identifier: str, wanted_by: list[str]) -> None:
    if manager.has_package(identifier):
        return
    package, trouble = _find(manager, identifier)
    if package is None:
        needed_by = _needed_by(wanted_by, before=", " if trouble else "")
        raise PackageMissing(identifier, reason=f"{trouble}{needed_by}")
    if manager.has_package(package.identifier):
        return
    if identifier in wanted_by:
        circle = " needs ".join([*wanted_by, identifier])
        raise PackageMissing(identifier, reason=f"packages depend on each other: {circle}")
    enable(manager, package, identifier, wanted_by)


def enable(manager: Any, package: Any, identifier: str, wanted_by: Sequence[str] = ()) -> None:
    """Enable a package that is loaded, its dependencies first.

    Parameters
    ----------
    manager : PackageManager
        The session's.
    package : Package
        VisTrails' object for it.
    identifier : str
        How it was asked for.
    wanted_by : sequence of str
        The packages that depend on it, the nearest last.

    Raises
    ------
    PackageMissing
        It, or one it depends on, is not available or cannot run here.
    """
    for dependency in package.dependencies():
        name = dependency[0] if isinstance(dependency, tuple) else dependency
        _enable(manager, name, [*wanted_by, identifier])
    try:
        manager.late_enable_package(package.codepath)
    except Exception as error:
        reason = f"{one_line(error)}{_needed_by(wanted_by, before=', ')}"
        raise PackageMissing(identifier, reason=reason) from error


def _needed_by(wanted_by: Sequence[str], before: str = "") -> str:
    return f"{before}needed by {wanted_by[-1]}" if wanted_by else ""


def one_line(error: Exception) -> str:
    """Return what an error of VisTrails' says, without the traceback that it may hold."""
    # VisTrails puts whole tracebacks into the text of its errors; the last line says it.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _find(manager: Any, identifier: str) -> tuple[Any, str]:
    """Return VisTrails' object for a package, or None and why the likely one is not it."""
    # VisTrails looks a package up by importing every one that is installed; most are where
    # their identifier says.
    trouble = ""
    likely = identifier.rpartition(".")[2].replace("_", "").lower()
    for codepath in manager.available_package_names_list():
        if codepath.lower().replace("_", "") == likely:
            package = manager.look_at_available_package(codepath)
            try:
                package.load()
            except Exception as error:
                trouble = one_line(error)
                break
            if identifier in (package.identifier, *package.old_identifiers):
                return package, ""
    return manager.identifier_is_available(identifier), trouble
