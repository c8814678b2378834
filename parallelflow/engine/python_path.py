"""Which folders and files belong to a Python installation, and which to its user.

Standard library only. Engines have an installation of their own; what is outside of it, they take
from the session.
"""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from pathlib import Path

__all__ = ["is_installed", "own_folders", "path_here"]

# What an engine itself is made of: its path keeps the folders that these were loaded from.
ENGINE_PACKAGES = ("parallelflow", "ipyparallel", "cloudpickle", "vistrails")
SITE_FOLDERS = ("site-packages", "dist-packages")

# What the administrator of this machine has given its Python, before any session's is set.
_pythonpath = os.environ.get("PYTHONPATH", "").split(os.pathsep)


@functools.lru_cache(maxsize=4096)
def is_installed(path: str) -> bool:
    """Return True if a folder or file is part of this Python's installation.

    Parameters
    ----------
    path : str
        An entry of ``sys.path``, or a module's file; an empty one is the working directory.
    """
    if any(f"{os.sep}{name}" in path for name in SITE_FOLDERS):
        return True
    return path in _library_archives() or _is_in_libraries(path)


def _is_in_libraries(path: str) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in _libraries())


@functools.lru_cache(maxsize=1)
def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= set(site.getsitepackages()) | {site.getusersitepackages()}
    return tuple(found | {str(Path(folder).resolve()) for folder in found})


@functools.lru_cache(maxsize=1)
def _library_archives() -> tuple[str, ...]:
    name = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    return tuple(str(Path(folder).with_name(name)) for folder in _libraries())


def own_folders(path: list[str]) -> tuple[str, ...]:
    """Return the entries of a path beyond the installation, absolute, in their order.

    Those that are relative to a working directory that was deleted hold nothing, and are left out.
    """
    own = [Path(folder) for folder in path if not is_installed(folder)]
    try:
        return tuple(str(folder.absolute()) for folder in own)
    except FileNotFoundError:
        return tuple(str(folder) for folder in own if folder.is_absolute())


def path_here(session: list[tuple[str, bool]], own: list[str], same_machine: bool) -> list[str]:
    """Return the ``sys.path`` with which an engine runs a session's elements.

    Parameters
    ----------
    session : list of (str, bool)
        The session's entries, and whether each is part of its installation.
    own : list of str
        The engine's.
    same_machine : bool
        Whether both are on one machine.

    Returns
    -------
    list of str
        The session's entries; those of its installation are replaced by the engine's where the
        two differ. Last come folders that the engine itself needs and, on another machine, those
        of its ``PYTHONPATH``.
    """
    installed = [folder for folder in own if is_installed(folder)]
    # A library may have added a folder of its own when it was imported, as setuptools does, which
    # only one of the two has done: the session's are of this Python, too, and the engine's are not
    # the session's.
    if all(f in installed or _is_in_libraries(f) for f, belongs in session if belongs):
        found = [folder for folder, _ in session]
        installed = [folder for folder in installed if not _is_of_library(folder)]
    else:
        found, done = [], False
        for folder, belongs in session:
            if not belongs:
                found.append(folder)
            elif not done:
                found += installed
                done = True
    needed = [] if same_machine else [folder for folder in _pythonpath if folder in own]
    for name in ENGINE_PACKAGES:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and str(Path(file).parent.parent) in own:
            needed.append(str(Path(file).parent.parent))
    for folder in [*installed, *needed]:
        if folder not in found and not (folder in needed and is_installed(folder)):
            found.append(folder)
    return found


def _is_of_library(folder: str) -> bool:
    """Return True for a folder within one of installed libraries, as in an egg."""
    return any(f"{os.sep}{name}{os.sep}" in folder for name in SITE_FOLDERS)
