"""Compiled modules of users that this engine has loaded: Python cannot load them a second time.

Standard library only. A compiled module stays the same object for all sessions that would load the
same file; one that has imported modules of the user while it was loaded holds on to them, so that
they cannot be taken anew without it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.abc import Loader
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

from .module_files import ModuleFile
from .module_snapshot import ModuleRecord, compiled_digest, is_own

__all__ = [
    "CompiledLoader",
    "ModuleUnusable",
    "asked_for",
    "check_loaded",
    "is_compiled",
    "loaded_before",
    "note_import",
    "note_loaded",
    "unwatched_packages",
]


@dataclass
class _Compiled:
    """A compiled module that was loaded, and the users' modules that it holds on to.

    Those are not known, if it was loaded unwatched.
    """

    path: str
    digest: bytes
    module: ModuleType | None = None
    held: dict[str, ModuleType] = field(default_factory=dict)
    files: dict[str, ModuleFile] = field(default_factory=dict)
    watched: bool = True


_compiled: dict[str, _Compiled] = {}


class ModuleUnusable(Exception):
    """A compiled module that this engine has loaded is not as the session has it."""


def is_compiled(name: str) -> bool:
    """Return True if this engine has loaded a compiled module of a name."""
    return name in _compiled


def note_loaded(name: str, module: ModuleType) -> None:
    """Note a compiled module that was loaded before anybody watched it."""
    if name not in _compiled and module.__spec__ is not None:
        path = str(module.__spec__.origin)
        _compiled[name] = _Compiled(path, compiled_digest(path), module, watched=False)


def unwatched_packages() -> set[str]:
    """Return the top-level names of compiled modules that were loaded before anybody watched.

    Their C code may have filled Python modules of the same package, as NumPy's does with
    ``numpy.dtypes``: loaded a second time, those would lack what it has put there.
    """
    return {name.partition(".")[0] for name, each in _compiled.items() if not each.watched}


# -- while one is loaded ------------------------------------------------------------------------


@dataclass
class _Watch:
    hidden: dict[str, ModuleType]
    asked: bool = False


_watch: _Watch | None = None


class CompiledLoader(ExtensionFileLoader):
    """Loads a compiled module, and finds out whether it imports modules of the user meanwhile.

    Parameters
    ----------
    name, path : str
        The module and its file.
    record : ModuleRecord or None
        The module as the session has loaded it.
    files : callable
        Called with a name; returns from what a users' module was loaded.

    Raises
    ------
    ImportError
        When it loads, if the file is another than the session has loaded.
    """

    def __init__(self, name: str, path: str, record: ModuleRecord | None, files: Any) -> None:
        super().__init__(name, path)
        self._record = record
        self._file_of = files

    def create_module(self, spec: ModuleSpec) -> Any:
        """Load the file."""
        digest = compiled_digest(self.path)
        if self._record is not None and self._record.digest != digest:
            raise ImportError(
                f"the compiled module {self.name} ({self.path}) on {socket.gethostname()} is not "
                "the one that this session has loaded: it was built again. Start the session anew",
                name=self.name,
                path=self.path,
            )
        compiled = _Compiled(self.path, digest)
        with self._watched(compiled):
            compiled.module = super().create_module(spec)
        _compiled[self.name] = compiled
        return compiled.module

    def exec_module(self, module: ModuleType) -> None:
        """Execute what a module does when it is loaded."""
        with self._watched(_compiled[self.name]):
            super().exec_module(module)

    @contextlib.contextmanager
    def _watched(self, compiled: _Compiled) -> Iterator[None]:
        """Hide the users' modules: Python asks the finders for what is imported, also by C code."""
        global _watch
        outer = _watch
        _watch = watch = _Watch({n: m for n, m in list(sys.modules.items()) if is_own(n, m)})
        watch.hidden.pop(self.name, None)
        for name in watch.hidden:
            del sys.modules[name]
        try:
            yield
        finally:
            for name, module in watch.hidden.items():
                sys.modules.setdefault(name, module)
            _watch = outer
            if outer is not None:
                outer.asked = outer.asked or watch.asked
        if watch.asked:
            own = {
                n: m for n, m in list(sys.modules.items()) if is_own(n, m) and n not in _compiled
            }
            compiled.held = own
            found = {name: self._file_of(name) for name in own}
            compiled.files = {name: file for name, file in found.items() if file is not None}


class _GivenLoader(Loader):
    """Gives a module that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _given(name: str, module: ModuleType) -> ModuleSpec | None:
    return spec_from_loader(name, _GivenLoader(module), origin=None)


def asked_for(name: str) -> ModuleSpec | None:
    """Return how to get a module that is hidden while a compiled one is loaded."""
    if _watch is None or name not in _watch.hidden:
        return None
    _watch.asked = True
    return _given(name, _watch.hidden[name])


def note_import() -> None:
    """Note that a module of the users is being loaded, maybe since a compiled one imports it."""
    if _watch is not None:
        _watch.asked = True


# -- for other sessions -------------------------------------------------------------------------


def loaded_before(name: str, path: list[str], table: dict[str, ModuleRecord]) -> ModuleSpec | None:
    """Return how to get a compiled module, or one that it holds, that was loaded before.

    Parameters
    ----------
    name : str
        The module that is imported.
    path : list of str
        The session's ``sys.path``, as it is on this engine.
    table : dict of str to ModuleRecord
        What the session has loaded.

    Raises
    ------
    ModuleUnusable
        If the session has, or would load, another state of it.
    """
    for each, compiled in _compiled.items():
        if name != each and name not in compiled.held:
            continue
        if _is_used(each, compiled, path, table, disk=True):
            module = compiled.module if name == each else compiled.held[name]
            if module is not None:
                return _given(name, module)
    return None


def check_loaded(path: list[str], table: dict[str, ModuleRecord], *, disk: bool) -> None:
    """Raise if elements would find a compiled module in another state than their session would.

    Parameters
    ----------
    path : list of str
        The session's ``sys.path``, as it is on this engine.
    table : dict of str to ModuleRecord
        What the session has loaded.
    disk : bool
        Whether to look also for what the session has not loaded, but its elements may import.

    Raises
    ------
    ModuleUnusable
        If there is one.
    """
    for name, compiled in _compiled.items():
        _is_used(name, compiled, path, table, disk=disk)


def _is_used(
    name: str, compiled: _Compiled, path: list[str], table: dict[str, ModuleRecord], *, disk: bool
) -> bool:
    """Return True if a session has, or would load, a compiled module as it is; else raise."""
    record = table.get(name)
    if record is not None:
        if (record.path, record.digest) != (compiled.path, compiled.digest):
            raise _unusable(name, compiled.path)
    elif not disk or _spec_now(name.partition(".")[0], path, table) is None:
        return False  # a project that does not use it
    else:
        found = _spec_now(name, path, table)
        if found is None and not compiled.held:
            return False
        if found is None or found[0] != compiled.path:
            raise _unusable(name, compiled.path)
        if compiled_digest(compiled.path) != compiled.digest:
            raise _unusable(name, compiled.path)
    for held, file in compiled.files.items():
        known = table.get(held)
        if known is not None:
            same = (known.path, known.digest) == (file.path, file.digest)
        else:
            same = not disk or file.is_unchanged(held, path)
        if not same:
            raise _unusable(name, compiled.path, held)
    return True


def _spec_now(
    name: str, path: list[str], table: dict[str, ModuleRecord]
) -> tuple[str | None, list[str] | None] | None:
    """Return a module's file and folders as a session would find them, None if it would not."""
    origin: str | None = None
    folders: list[str] | None = path
    full = ""
    for part in name.split("."):
        full = f"{full}.{part}" if full else part
        record = table.get(full)
        if record is not None:
            origin, folders = record.path, record.folders
            continue
        spec = PathFinder.find_spec(full, folders) if folders is not None else None
        if spec is None:
            return None
        places = spec.submodule_search_locations
        origin, folders = spec.origin, None if places is None else list(places)
    return origin, folders


def _unusable(name: str, path: str, held: str = "") -> ModuleUnusable:
    using = f", which uses the module {held}," if held else ""
    return ModuleUnusable(
        f"it has loaded the compiled module {name} ({path}){using} in another state than this "
        "session, and Python cannot load it a second time"
    )
