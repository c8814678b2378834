"""Compiled modules of users that this engine has loaded: Python cannot load them a second time.

Standard library only.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

from .module_snapshot import ModuleRecord, compiled_digest

__all__ = ["ModuleUnusable", "check_imports", "check_loaded", "note_loaded", "note_loading"]

# By name: file and state.
_compiled: dict[str, tuple[str, bytes]] = {}


class ModuleUnusable(Exception):
    """A compiled module that this engine has loaded is not as the session has it."""


def note_loading(name: str, path: str) -> None:
    """Note that a compiled module is being loaded from a file as it is now."""
    _compiled[name] = (path, compiled_digest(path))


def note_loaded(name: str, path: str) -> None:
    """Note a compiled module that was loaded some time before, if it is not known."""
    if name not in _compiled:
        note_loading(name, path)


def check_loaded(table: dict[str, ModuleRecord]) -> None:
    """Raise if a compiled module is here in another state than the session's.

    Parameters
    ----------
    table : dict of str to ModuleRecord
        What the session has loaded.

    Raises
    ------
    ModuleUnusable
        If there is one.
    """
    for name, (path, digest) in _compiled.items():
        record = table.get(name)
        if record is None or name not in sys.modules:
            continue
        if (record.path, record.digest) != (path, digest):
            raise _unusable(name, path)


def check_imports(path: list[str], table: dict[str, ModuleRecord]) -> None:
    """Raise if elements would find a compiled module in another state than their session would.

    Parameters
    ----------
    path : list of str
        The session's ``sys.path``, as it is on this engine.
    table : dict of str to ModuleRecord
        What the session has loaded; what it has not, its elements may import.

    Raises
    ------
    ModuleUnusable
        If another file of the name would be found now, or the file has changed.
    """
    for name, (file, digest) in _compiled.items():
        if name in table or name not in sys.modules:
            continue
        if _spec_now(name.partition(".")[0], path, table) is None:
            continue  # a project that does not use it
        found = _spec_now(name, path, table)
        if found is None or found[0] != file or compiled_digest(file) != digest:
            raise _unusable(name, file)


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


def _unusable(name: str, path: str) -> ModuleUnusable:
    return ModuleUnusable(
        f"it has loaded the compiled module {name} ({path}) in another state than this "
        "session, and Python cannot load it a second time"
    )
