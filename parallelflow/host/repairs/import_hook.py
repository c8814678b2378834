"""Repairs of the hook by which VisTrails follows what its packages import."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from .repair import Repair, always

_MANAGER = "vistrails.core.packagemanager"
_PACKAGE = "vistrails.core.modules.package"


def _wrap_hook(manager: Any, around: Callable[..., Any]) -> None:
    """Call `around` in place of the hook, with the manager, the hook and its arguments."""
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


def _look_only_where_packages_are(manager: Any) -> None:
    def look(self: Any, override: Callable[..., Any], *asked_for: Any) -> Any:
        if self._currently_importing_package is None:
            importer = asked_for[1]["__name__"]
            lists = (self._package_list, self._available_packages)
            starts = {package.prefix for each in lists for package in each.values()} - {None}
            if isinstance(importer, str) and not importer.startswith(tuple(starts)):
                return self._orig_import(*asked_for)
        return override(self, *asked_for)

    _wrap_hook(manager, look)


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
        name="import-elsewhere",
        symptom="imports by modules that belong to no package take long: a window opens a tenth "
        "later",
        cause="the hook compares the importing module with the name of each package, whose parts "
        "it asks for and joins each time, also where no package is",
        affected="VisTrails 3.0",
        modules=(_MANAGER,),
        needed=always,
        after=_look_only_where_packages_are,
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
)
