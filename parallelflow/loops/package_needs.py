"""The packages that a function needs, as this session has them: place, version, configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vistrails.core.modules.module_registry import get_module_registry
from vistrails.core.packagemanager import get_package_manager

from parallelflow.engine.spec import PackageNeed
from parallelflow.host.configuration import initial_values, package_values
from parallelflow.host.package_places import module_file
from parallelflow.names import IDENTIFIER

__all__ = ["package_needs"]


def package_needs(identifiers: Iterable[str]) -> list[PackageNeed]:
    """Return what engines must be told of packages and of those they depend on.

    Parameters
    ----------
    identifiers : iterable of str
        Packages; those that are not enabled are left out.

    Returns
    -------
    list of PackageNeed
        Each after those that it depends on.
    """
    manager, registry = get_package_manager(), get_module_registry()
    found: dict[str, Any] = {}

    def visit(identifier: str) -> None:
        if not manager.has_package(identifier):
            return
        package = manager.get_package(identifier)
        if package.identifier in found or package.identifier not in registry.packages:
            return
        found[package.identifier] = None  # its place, should packages depend on each other
        for dependency in package.dependencies():
            visit(dependency[0] if isinstance(dependency, tuple) else dependency)
        del found[package.identifier]
        found[package.identifier] = package

    for identifier in identifiers:
        visit(identifier)
    return [_need(package) for package in found.values()]


def _need(package: Any) -> PackageNeed:
    # Ours decides nothing on an engine, where a Map runs serially.
    told = package.identifier != IDENTIFIER
    return PackageNeed(
        identifier=package.identifier,
        version=package.version,
        module=(package.prefix or "") + package.codepath,
        file=module_file(package.prefix or "", package.codepath) or "",
        initial=initial_values(package) if told else None,
        configuration=package_values(package) if told else None,
    )
