"""The modules of several sessions side by side on one engine.

Standard library only. Runs whose sessions have the same content of their own modules share one
`ModuleSet`; for another content, or another path, there is another. ``sys.modules`` holds the set
of the run that works now. What is installed, and what the engine itself is made of, is common.
It is one file, though a long one: a set, and the finder and loaders that fill it from there.
"""

from __future__ import annotations

import linecache
import socket
import sys
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import cache_from_source, spec_from_file_location
from types import ModuleType
from typing import Any

from .compiled_modules import (
    CompiledLoader,
    asked_for,
    check_loaded,
    is_compiled,
    loaded_before,
    note_import,
    note_loaded,
    unwatched_packages,
)
from .module_files import ModuleFile, is_younger
from .module_snapshot import ModuleRecord, digest_of, is_own
from .python_path import is_installed, own_folders

__all__ = [
    "ModuleSet",
    "find_set",
    "forget_package",
    "is_outdated",
    "keep_loaded",
    "shadowed_by",
]

# Sets beyond those of runs that are set up: what a session has loaded is there for its next run.
MAX_SETS = 8


class ModuleSet:
    """The own modules of sessions that agree in them.

    Parameters
    ----------
    path : list of str
        Their ``sys.path``.

    Attributes
    ----------
    session : dict of str to ModuleRecord
        What the session of the run that works now has loaded.
    path : list of str
        Its ``sys.path``, as it is on this engine.
    """

    def __init__(self, path: list[str]) -> None:
        self.session: dict[str, ModuleRecord] = {}
        self.path = path
        self._folders = own_folders(path)
        self._modules: dict[str, ModuleType] = {}
        self._files: dict[str, ModuleFile] = {}
        self._shadowed: dict[str, ModuleType] = {}

    def fits(self, path: list[str], table: dict[str, ModuleRecord]) -> bool:
        """Return True if this set has what another session has, or would load.

        Parameters
        ----------
        path : list of str
            The session's ``sys.path``.
        table : dict of str to ModuleRecord
            What it has loaded.
        """
        if own_folders(path) != self._folders:
            return False
        for name, file in self._files.items():
            record = table.get(name)
            if record is None:
                if not file.is_unchanged(name, path):
                    return False
            elif (file.path, file.digest) != (record.path, record.digest):
                return False
        return True

    def add(self, table: dict[str, ModuleRecord]) -> None:
        """Note what a session has loaded: these sessions must agree in it from now on."""
        for name, record in table.items():
            if not _is_kept(name):
                self._files.setdefault(name, ModuleFile(record.path, record.digest))

    def enter(self, table: dict[str, ModuleRecord], shadowed: Iterable[str]) -> None:
        """Make these the modules of the process.

        Parameters
        ----------
        table : dict of str to ModuleRecord
            What the run's session has loaded.
        shadowed : iterable of str
            Names among them that installed modules have here.

        Raises
        ------
        ModuleUnusable
            If a module is here in another state and cannot be loaded a second time.
        """
        global _current
        if _current is not self:
            if _current is not None:
                _current._modules = _taken_out()
            else:
                _taken_out()  # what tasks have left that came another way
            _current = self
            sys.modules.update(self._modules)
            self._modules = {}
        self.session = table
        check_loaded(self.path, table, disk=False)
        for name in shadowed:
            module = sys.modules.get(name)
            if module is not None and not is_own(name, module):
                self._shadowed[name] = sys.modules.pop(name)

    def leave(self) -> None:
        """Give installed modules their names back; own ones stay until another set comes."""
        sys.modules.update(self._shadowed)
        self._shadowed = {}

    def hand_over(self, package: str) -> None:
        """Note that the modules of a package are common from now on."""
        for name in [name for name in self._files if _is_in(name, package)]:
            _kept_files[name] = self._files.pop(name)

    def note(self, name: str, file: ModuleFile) -> None:
        """Note from what a module is being loaded."""
        (_kept_files if _is_kept(name) else self._files)[name] = file


_current: ModuleSet | None = None
_sets: list[ModuleSet] = []
# Packages that VisTrails has enabled: its registry holds their classes, so they stay.
_kept: set[str] = {"userpackages"}
_kept_files: dict[str, ModuleFile] = {}


def find_set(path: list[str], table: dict[str, ModuleRecord]) -> ModuleSet:
    """Return the set of modules for a session's run.

    Parameters
    ----------
    path : list of str
        Its ``sys.path``, as it is on this engine.
    table : dict of str to ModuleRecord
        What it has loaded.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        index = next((i for i, f in enumerate(sys.meta_path) if f is PathFinder), 0)
        sys.meta_path.insert(index, _Finder())
    # A file may have come into a folder within the tick of the clock that dates the folder.
    for folder in own_folders(path):
        finder: Any = sys.path_importer_cache.get(folder)
        if finder is not None and hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()
    for each in _sets:
        if each.fits(path, table):
            _sets.remove(each)
            break
    else:
        each = ModuleSet(path)
        linecache.clearcache()  # it knows files by size and time
    each.add(table)
    _sets.append(each)
    del _sets[:-MAX_SETS]
    return each


def shadowed_by(table: dict[str, ModuleRecord]) -> list[str]:
    """Return the names of a session's modules that installed ones have on this engine."""
    return [
        name
        for name in table
        if name in sys.modules and not _is_kept(name) and not is_own(name, sys.modules[name])
    ]


def keep_loaded(name: str) -> None:
    """Leave a package where it is whichever set is in use, since others hold its classes.

    Parameters
    ----------
    name : str
        Its full name; its modules stay, too.
    """
    if _is_kept(name):
        return
    _kept.add(name)
    if _current is not None:
        _current.hand_over(name)


def is_outdated(package: str) -> bool:
    """Return True if a package that stays is not as the session has it.

    Parameters
    ----------
    package : str
        Its full name.
    """
    table = _current.session if _current is not None else {}
    if package not in table:
        return False  # the session does not use it
    for name in list(sys.modules):
        if not _is_in(name, package):
            continue
        if is_compiled(name):
            continue  # another state of it cannot be loaded here, which is found out elsewhere
        record, file = table.get(name), _kept_files.get(name)
        if file is None:
            if record is not None:  # it was loaded before anybody noted from what
                return True
        elif not (file.is_on_disk() if record is None else record.digest == file.digest):
            return True
    return False


def forget_package(package: str) -> None:
    """Take the modules of a package that stays out of ``sys.modules``."""
    for name in list(sys.modules):
        if _is_in(name, package):
            del sys.modules[name]
            _kept_files.pop(name, None)


def _is_kept(name: str) -> bool:
    return any(_is_in(name, kept) for kept in _kept)


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _taken_out() -> dict[str, ModuleType]:
    """Take the users' modules out of ``sys.modules`` and return them, but for those that stay."""
    own = {name: module for name, module in list(sys.modules.items()) if is_own(name, module)}
    for name, module in own.items():
        spec = module.__spec__
        if spec is not None and isinstance(spec.loader, ExtensionFileLoader):
            note_loaded(name, module)
    stay = unwatched_packages()
    for name in list(own):
        if _is_kept(name) or name.partition(".")[0] in stay:
            del own[name]
        else:
            del sys.modules[name]
    return own


def _file_of(name: str) -> ModuleFile | None:
    """Return from what a module of the users was loaded, None if that is not known."""
    files = _kept_files if _is_kept(name) or _current is None else _current._files
    return files.get(name)


class _Finder(MetaPathFinder):
    """Finds the users' modules as the session has them, and notes from what they are loaded."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if _current is None:
            return None
        hidden = asked_for(name)
        if hidden is not None:
            return hidden
        before = loaded_before(name, _current.path, _current.session)
        if before is not None:
            return before
        record = _current.session.get(name)
        if record is not None and record.source is not None:
            note_import()
            loader = _SentLoader(name, record)
            return spec_from_file_location(
                name, record.path, loader=loader, submodule_search_locations=record.folders
            )
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not spec.origin or is_installed(spec.origin):
            return None
        note_import()
        if isinstance(spec.loader, ExtensionFileLoader):
            spec.loader = CompiledLoader(name, spec.origin, record, _file_of)
        elif isinstance(spec.loader, SourceFileLoader):
            spec.loader = _NotingLoader(name, spec.origin, spec.loader)
        else:
            return None
        return spec


class _SentLoader(SourceFileLoader):
    """Loads a module from the source that the session has sent."""

    def __init__(self, name: str, record: ModuleRecord) -> None:
        super().__init__(name, record.path)
        self._record = record

    def get_code(self, fullname: str) -> Any:
        if _current is not None:
            _current.note(fullname, ModuleFile(self._record.path, self._record.digest))
        return self.source_to_code(self._record.source or b"", self._record.path)

    def get_source(self, fullname: str) -> str:
        from importlib.util import decode_source

        return decode_source(self._record.source or b"")


class _NotingLoader(SourceFileLoader):
    """Loads a module from its file, without bytecode that may be of another content.

    Parameters
    ----------
    name, path : str
        The module and its file.
    loader : SourceFileLoader
        What would have loaded it; it decides where bytecode is written.
    """

    def __init__(self, name: str, path: str, loader: SourceFileLoader) -> None:
        super().__init__(name, path)
        self.set_data = loader.set_data  # type: ignore[method-assign]

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        content = self.get_data(path)
        digest = digest_of(content)
        record = None
        if _current is not None:
            _current.note(fullname, ModuleFile(path, digest))
            record = _current.session.get(fullname)
        if record is not None and record.digest != digest:
            raise ImportError(
                f"the module {fullname} ({path}) on {socket.gethostname()} has another content "
                "than in this session",
                name=fullname,
                path=path,
            )
        if is_younger(cache_from_source(path), path):
            return super().get_code(fullname)
        return self.source_to_code(content, path)
