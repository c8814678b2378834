"""Repairs of how VisTrails finds, imports and unloads its packages."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from .alias import ALIAS, REAL
from .repair import Repair, always

_MANAGER = "vistrails.core.packagemanager"
_PACKAGE = "vistrails.core.modules.package"
_ENTRY_POINTS = "vistrails.packages"
OUR_CODEPATH = REAL

# -- the hook that follows packages' imports ----------------------------------------


def _wrap_hook(manager: Any, around: Callable[..., Any]) -> None:
    """Have `around` called with the manager, its hook and what the hook is called with."""
    override = manager.PackageManager._import_override

    @functools.wraps(override)
    def wrapped(
        self: Any,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        if not globals or "__name__" not in globals:
            # VisTrails would look for the caller on the stack, where this function stands now.
            globals = sys._getframe(1).f_globals
        return around(self, override, name, globals, locals, fromlist, level)

    manager.PackageManager._import_override = wrapped


def _restore_after_failed_import(manager: Any) -> None:
    def restore(self: Any, override: Callable[..., Any], *asked_for: Any) -> Any:
        current = self._currently_importing_package
        try:
            return override(self, *asked_for)
        finally:
            self._currently_importing_package = current

    _wrap_hook(manager, restore)


def _follow_own_thread_only(manager: Any) -> None:
    begin = manager.PackageManager.__init__

    @functools.wraps(begin)
    def begin_and_remember(self: Any, *arguments: Any, **options: Any) -> None:
        self._own_thread = threading.get_ident()
        begin(self, *arguments, **options)

    def follow(self: Any, override: Callable[..., Any], *asked_for: Any) -> Any:
        if threading.get_ident() != self._own_thread:
            return self._orig_import(*asked_for)
        return override(self, *asked_for)

    manager.PackageManager.__init__ = begin_and_remember
    _wrap_hook(manager, follow)


class _Imported:
    """A module as the hook may look at it: it has the parts that are imported, and imports none.

    Parameters
    ----------
    module : module
        The real one.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        # Not by getattr, which a module can answer by importing something.
        self.__dict__.update(
            (name, module.__dict__[name])
            for name in ("__name__", "__file__")
            if isinstance(module.__dict__.get(name), str)
        )

    def __getattr__(self, part: str) -> _Imported:
        module = sys.modules.get(f"{self.__name__}.{part}")
        if module is None:
            raise AttributeError(part)
        return _Imported(module)


def _ask_modules_for_nothing(package: Any) -> None:
    follow = package.Package.import_override

    @functools.wraps(follow)
    def follow_what_is_imported(self: Any, orig_import: Any, *where: Any, **how: Any) -> Any:
        def imported(*arguments: Any) -> _Imported:
            return _Imported(orig_import(*arguments))

        return follow(self, imported, *where, **how)._module

    package.Package.import_override = follow_what_is_imported


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
        self.get_available_package(OUR_CODEPATH, prefix="vistrails.packages.")
        return list(self._available_packages)

    manager.PackageManager.build_available_package_names_list = build_and_add


# -- the first start ----------------------------------------------------------------


def _report_quietly_at_first(manager: Any) -> None:
    initialize = manager.PackageManager.initialize_packages

    @functools.wraps(initialize)
    def initialize_quietly(self: Any, *args: Any, **kwargs: Any) -> None:
        if not self._startup.first_run:
            return initialize(self, *args, **kwargs)
        debug, settings = manager.debug, self._startup.temp_configuration
        critical, install = debug.critical, settings.installBundles
        # A critical message is a box on the screen; the message panel shows warnings too.
        debug.critical, settings.installBundles = debug.warning, False
        try:
            return initialize(self, *args, **kwargs)
        finally:
            debug.critical, settings.installBundles = critical, install

    manager.PackageManager.initialize_packages = initialize_quietly


# -- unloading ----------------------------------------------------------------------


def _is_ours(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in (ALIAS, REAL))


def _keep_our_modules(package: Any) -> None:
    unload = package.Package.unload

    @functools.wraps(unload)
    def unload_others(self: Any) -> None:
        self.py_dependencies = {name for name in self.py_dependencies if not _is_ours(name)}
        unload(self)

    package.Package.unload = unload_others


REPAIRS = (
    Repair(
        name="import-hook",
        symptom="every import in the process is several times slower after an import error "
        "inside a package, even a caught one",
        cause="PackageManager._import_override does not restore its state when the import raises",
        affected="VisTrails 3.0",
        modules=(_MANAGER,),
        needed=always,
        after=_restore_after_failed_import,
    ),
    Repair(
        name="import-threads",
        symptom="RuntimeError: dictionary changed size during iteration, when a thread imports "
        "something while VisTrails looks for packages",
        cause="the hook goes through the lists of packages at every import of any thread; it also "
        "takes what a thread imports for a part of the package being loaded",
        affected="VisTrails 3.0",
        modules=(_MANAGER,),
        needed=always,
        after=_follow_own_thread_only,
    ),
    Repair(
        name="lazy-submodules",
        symptom="RecursionError when a package or a PythonSource imports numpy.random, and so "
        "scikit-learn and much of scipy",
        cause="after `import a.b` the hook asks the module a for b; a module that imports its "
        "parts when it is asked for them is asked while b is being imported, without end",
        affected="NumPy 2 and other libraries with lazy parts",
        modules=(_PACKAGE,),
        needed=always,
        after=_ask_modules_for_nothing,
    ),
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
        "machine cannot run (vtk, gmaps, sklearn, tej), and offers to install libraries",
        cause="the list of packages enabled at first was made for other machines",
        affected="VisTrails 3.0",
        modules=(_MANAGER,),
        needed=always,
        after=_report_quietly_at_first,
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
