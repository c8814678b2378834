"""Repairs of how VisTrails finds, enables and unloads its packages."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

from parallelflow.names import ALIAS, PACKAGE

from .repair import Repair, always

_MANAGER = "vistrails.core.packagemanager"
_STARTUP = "vistrails.core.startup"
_PACKAGE = "vistrails.core.modules.package"
_ENTRY_POINTS = "vistrails.packages"

# -- packages of other distributions ------------------------------------------------


def _prefix_and_codepath(module: str) -> tuple[str, str]:
    prefix, dot, codepath = module.rpartition(".")
    return prefix + dot, codepath


def _look_at_metadata(manager: Any) -> None:
    build = manager.PackageManager.build_available_package_names_list

    @functools.wraps(build)
    def build_and_add(self: Any) -> list[str]:
        # Without pkg_resources VisTrails passes over entry points. Importing it costs a fifth
        # of a second, and it is deprecated.
        own = sys.modules.get("pkg_resources")
        if own is None:
            sys.modules["pkg_resources"] = None  # type: ignore[assignment]
        try:
            build(self)
        finally:
            if own is None:
                del sys.modules["pkg_resources"]
        if own is None:
            import importlib.metadata  # it loads much, and only the package manager needs it

            for point in importlib.metadata.entry_points(group=_ENTRY_POINTS):
                prefix, codepath = _prefix_and_codepath(point.module)
                self.get_available_package(codepath, prefix=prefix)
        # Listed through the bundled folder of the same name; not every VisTrails has one.
        self.get_available_package(PACKAGE, prefix="vistrails.packages.")
        return list(self._available_packages)

    manager.PackageManager.build_available_package_names_list = build_and_add


# -- the first start ----------------------------------------------------------------


def _start_quietly_at_first(module: Any) -> None:
    if module.__name__ == _STARTUP:
        _make_folders_quietly(module)
    else:
        _report_quietly(module)


def _make_folders_quietly(startup: Any) -> None:
    owner = startup.VistrailsStartup
    create = owner.create_directory

    @functools.wraps(create)
    def create_quietly(self: Any, name: str) -> bool:
        try:
            Path(name).mkdir()
        except OSError:  # it is there; or it cannot be made, which VisTrails tells
            return bool(create(self, name))
        startup.debug.log(f"The folder '{name}' was made")
        return True

    owner.create_directory = create_quietly


def _report_quietly(manager: Any) -> None:
    initialize = manager.PackageManager.initialize_packages

    @functools.wraps(initialize)
    def initialize_quietly(self: Any, *args: Any, **kwargs: Any) -> None:
        if not self._startup.first_run:
            return initialize(self, *args, **kwargs)
        debug, settings = manager.debug, self._startup.temp_configuration
        critical, install = debug.critical, settings.installBundles

        def tell(text: str, *details: Any) -> None:
            """Say in one line why, and in the details how; not on the terminal."""
            lasts = [str(detail).strip().splitlines()[-1:] for detail in details]
            debug.log(": ".join([text, *(line for last in lasts for line in last)]), *details)

        # A critical message is a box on the screen; the message panel shows all. Nobody has asked
        # for these packages.
        debug.critical, settings.installBundles = tell, False
        try:
            return initialize(self, *args, **kwargs)
        finally:
            debug.critical, settings.installBundles = critical, install

    manager.PackageManager.initialize_packages = initialize_quietly


# -- unloading ----------------------------------------------------------------------


def _is_ours(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in (ALIAS, PACKAGE))


def _keep_our_modules(package: Any) -> None:
    unload = package.Package.unload

    @functools.wraps(unload)
    def unload_others(self: Any) -> None:
        self.py_dependencies = {name for name in self.py_dependencies if not _is_ours(name)}
        unload(self)

    package.Package.unload = unload_others


REPAIRS = (
    Repair(
        name="entry-points",
        symptom="VisTrails packages installed by pip are not listed",
        cause="they are looked up through pkg_resources, which current setuptools lack",
        affected="environments without pkg_resources; slow in the others",
        modules=(_MANAGER,),
        needed=always,
        after=_look_at_metadata,
    ),
    Repair(
        name="first-start",
        symptom="the first start shows a box for each package of VisTrails' own list that this "
        "machine cannot run (vtk, gmaps, sklearn, tej), offers to install libraries, and prints "
        "150 lines of tracebacks, and a warning for each folder that it makes",
        cause="the list of packages enabled at first was made for other machines",
        affected="VisTrails 3.0",
        modules=(_MANAGER, _STARTUP),
        needed=always,
        after=_start_quietly_at_first,
    ),
    Repair(
        name="unload",
        symptom="two engine managers in one process, the second not knowing the first one's "
        "engines, after a package that uses ours was disabled and enabled",
        cause="disabling a package removes the modules it imported from sys.modules, ours among "
        "them if they are not in site-packages",
        affected="VisTrails 3.0 with Parallel Flow installed from a checkout",
        modules=(_PACKAGE,),
        needed=always,
        after=_keep_our_modules,
    ),
)
