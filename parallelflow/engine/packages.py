"""VisTrails' packages on an engine, as the session that sends the work has them.

An engine may work for several sessions at the same time. What a package builds while it is
initialized follows from where it comes from and from its configuration then; one that a
session has otherwise is made again, and functions that were set up with the former one are
set up again when their next chunk comes. What is read while elements run, the present
configuration, is put in place before each chunk that needs another.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .module_sets import forget_package
from .package_reload import reload_edited_packages
from .remote_failure import RemoteFailure, RemoteFailureError
from .spec import FunctionSpec, PackageNeed
from .workflow_spec import WorkflowsSpec

__all__ = ["PackagesOfFunction", "load_packages"]

# Packages of VisTrails' own installation: their version says which they are, and each machine
# has its own.
_OWN_PREFIX = "vistrails."
# Installed libraries: likewise.
_INSTALLED = ("site-packages", "dist-packages")

# Stands for the function whose configuration is in place; the function itself is not kept.
_in_force: object = None


def load_packages(needs: Sequence[PackageNeed], user_packages: str | None) -> None:
    """Enable packages as the client has them: place, version, configuration.

    Parameters
    ----------
    needs : sequence of PackageNeed
        Each after those that it depends on.
    user_packages : str or None
        The client's folder of user packages.

    Raises
    ------
    RemoteFailureError
        If one is missing here or has another version; the text says which.
    """
    from parallelflow import host
    from parallelflow.errors import PackageMissing
    from parallelflow.host import package_places

    folder = Path(user_packages) if user_packages else None
    need = None
    try:
        manager = host.start_engine_core(user_packages=folder).package_manager
        # One that was edited is enabled again from its file, and then as the session has it.
        for _ in range(2):
            again = [package for package in map(_enabled, needs) if package is not None]
            package_places.disable(manager, again, forget_package)
            for need in needs:
                if not manager.has_package(need.identifier):
                    _enable(manager, need)
            reload_edited_packages(manager)
        for need in needs:
            here = manager.get_package(need.identifier).version
            if here != need.version:
                raise PackageMissing(need.identifier, reason=f"it has version {here}")
    except PackageMissing as e:
        version = need.version if need is not None and need.identifier == e.identifier else None
        missing = PackageMissing(e.identifier, version, e.reason, platform.node())
        raise RemoteFailureError(RemoteFailure("setup", "PackageMissing", str(missing))) from e


def _enabled(need: PackageNeed) -> Any:
    """Return the enabled package that has to be made again for a need, None if there is none."""
    from vistrails.core.packagemanager import get_package_manager

    from parallelflow.host.configuration import initial_values

    manager = get_package_manager()
    if not manager.has_package(need.identifier):
        return None
    package = manager.get_package(need.identifier)
    if need.initial is not None and initial_values(package) != need.initial:
        return package
    return package if _is_from_elsewhere(package, need) else None


def _is_from_elsewhere(package: Any, need: PackageNeed) -> bool:
    """Return True if a package has another file than the client's, which this machine has, too."""
    from parallelflow.host.package_places import module_file

    if need.module.startswith(_OWN_PREFIX) or any(part in need.file for part in _INSTALLED):
        return False
    here = module_file(package.prefix or "", package.codepath)
    if here is None or here == need.file or not Path(need.file).is_file():
        return False
    return not Path(here).exists() or not Path(here).samefile(need.file)


def _enable(manager: Any, need: PackageNeed) -> None:
    from parallelflow.host import configuration, package_places
    from parallelflow.host.packages import enable

    file = Path(need.file)
    folder = file.parent.parent if file.name == "__init__.py" else file.parent
    package = package_places.find_package(
        manager, need.identifier, need.module, str(folder) if need.file else "", forget_package
    )
    if need.initial is not None and package.configuration is not None:
        configuration.write(package.configuration, need.initial)
    enable(manager, package, need.identifier)


class PackagesOfFunction:
    """The packages that a function was set up with.

    Parameters
    ----------
    spec : FunctionSpec or WorkflowsSpec
        The function; its packages are loaded.
    """

    def __init__(self, spec: FunctionSpec | WorkflowsSpec) -> None:
        from vistrails.core.packagemanager import get_package_manager

        self._configuration = spec.configuration
        self._needs = spec.packages
        self._token = object()
        self._manager = get_package_manager()
        self._packages = [self._manager.get_package(need.identifier) for need in spec.packages]

    @property
    def outdated(self) -> bool:
        """Whether one of them has been made again since, for another session."""
        from parallelflow.host.package_places import is_enabled

        return not all(is_enabled(self._manager, package) for package in self._packages)

    def put_in_force(self) -> None:
        """Give VisTrails and the packages the configuration of this function's session."""
        global _in_force
        if _in_force is self._token:
            return
        from vistrails.core.configuration import (
            get_vistrails_persistent_configuration,
            get_vistrails_temp_configuration,
        )

        from parallelflow.host.configuration import PROCESS_KEYS, write

        _in_force = None
        in_force, saved = self._configuration
        write(get_vistrails_temp_configuration(), in_force, keep=PROCESS_KEYS)
        write(get_vistrails_persistent_configuration(), saved, keep=PROCESS_KEYS)
        for need, package in zip(self._needs, self._packages, strict=True):
            if need.configuration is not None and package.configuration is not None:
                write(package.configuration, need.configuration)
        _in_force = self._token
