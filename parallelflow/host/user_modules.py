"""The user's own modules, for sessions that are not the user's own.

Packages in ``~/.vistrails/userpackages`` are imported from where they are, but no
bytecode is written beside them. Command-line tools (``CLTools``) and SubWorkflows are
copied into the session's private folder, because VisTrails may write where it finds
them.
"""

from __future__ import annotations

import importlib
import logging
import shutil
import sys
import xml.etree.ElementTree
from collections.abc import Callable
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Any

from ..system import safe_files

_log = logging.getLogger(__name__)

PACKAGES = "userpackages"
SUBWORKFLOWS = "subworkflows"
_COPIED = ("CLTools", SUBWORKFLOWS)

#: The largest startup.xml that is looked into: one of all packages has some kilobytes.
_MAX_BYTES = 16 * 2**20


def user_folder() -> Path:
    """Return the folder of the user's VisTrails configuration; it need not exist."""
    return Path.home() / ".vistrails"


def user_packages_folder() -> Path | None:
    """Return where the user's own packages are.

    Returns
    -------
    Path or None
        The folder their configuration names, or VisTrails' default; None if the user
        has none.
    """
    folder = _configured_folder("userPackageDir", PACKAGES)
    return folder if folder.is_dir() else None


def _configured_folder(key: str, usual: str) -> Path:
    """Return a folder that the user's configuration names, else the usual one."""
    try:
        data = safe_files.read_bytes(user_folder() / "startup.xml", _MAX_BYTES)
        root = xml.etree.ElementTree.fromstring(data)
    except safe_files.UnusableFile as e:
        _log.warning("%s. It is left out.", e)
        return user_folder() / usual
    except (LookupError, OSError, ValueError, xml.etree.ElementTree.ParseError):
        return user_folder() / usual
    value = root.find(f"./configuration/key[@name='{key}']/str")
    return user_folder() / ((value is not None and value.get("value")) or usual)


class _ReadOnlyLoader(SourceFileLoader):
    """Loads Python source and writes no bytecode beside it."""

    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None:
        """Do not write."""


def _read_only_finder(folder: Path) -> Callable[[str], FileFinder]:
    prefix = str(folder)

    def path_hook(path: str) -> FileFinder:
        if path != prefix and not path.startswith(prefix + "/"):
            raise ImportError(f"{path} holds no user packages", path=path)
        return FileFinder(
            path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_ReadOnlyLoader, SOURCE_SUFFIXES)
        )

    return path_hook


def offer_packages(folder: Path) -> None:
    """Make the packages of a folder importable as ``userpackages.NAME``.

    Parameters
    ----------
    folder : Path
        It is read only.
    """
    folder = folder.resolve()
    sys.path_hooks.insert(0, _read_only_finder(folder))
    for path in [path for path in sys.path_importer_cache if path.startswith(str(folder))]:
        del sys.path_importer_cache[path]
    module = ModuleType(PACKAGES, "The user's own VisTrails packages.")
    module.__path__ = [str(folder)]
    # VisTrails lists the packages of the folder that this file would be in.
    module.__file__ = str(folder / "__init__.py")
    sys.modules[PACKAGES] = module


def add_folder(folder: Path) -> None:
    """Let the packages of another folder be imported as ``userpackages.NAME``.

    Parameters
    ----------
    folder : Path
        It is read only. Its packages are found before those of the folders offered earlier.
    """
    folder = folder.resolve()
    path = sys.modules[PACKAGES].__path__
    if path and path[0] == str(folder):
        return
    if str(folder) in path:
        path.remove(str(folder))
    else:
        sys.path_hooks.insert(0, _read_only_finder(folder))
    path.insert(0, str(folder))


def offer_more_packages(manager: Any, folder: Path) -> None:
    """Add the packages of another folder to a session that runs already.

    Parameters
    ----------
    manager : PackageManager
        The session's, which looks for packages only at its start.
    folder : Path
        It is read only. Its packages are found before those of the folders offered earlier.
    """
    add_folder(folder)
    # A package may have come into the folder since it was last looked into.
    importlib.invalidate_caches()
    for path in folder.resolve().glob("*"):
        # As VisTrails looks for them: a folder, or a single file.
        if path.name != "__init__.py" and path.suffix == ".py" and path.is_file():
            manager.get_available_package(path.stem, prefix=f"{PACKAGES}.")
        elif (path / "__init__.py").is_file():
            manager.get_available_package(path.name, prefix=f"{PACKAGES}.")


def copy_modules(source: Path, folder: Path) -> None:
    """Copy the user's command-line tools and SubWorkflows into a session's folder.

    Parameters
    ----------
    source : Path
        The user's configuration folder.
    folder : Path
        The session's.
    """
    for name in _COPIED:
        place = source / name
        if name == SUBWORKFLOWS and source == user_folder():
            place = _configured_folder("subworkflowsDir", name)
        if place.is_dir():
            try:
                shutil.copytree(place, folder / name, ignore=_no_files, dirs_exist_ok=True)
            except (OSError, shutil.Error) as error:
                # A workflow that needs none of them runs all the same.
                _log.warning("not all of %s could be read: %s", place, error)


def _no_files(folder: str, names: list[str]) -> list[str]:
    """Return which names of a folder are neither files nor folders, such as FIFOs and devices."""
    paths = [Path(folder, name) for name in names]
    return [path.name for path in paths if not path.is_file() and not path.is_dir()]
