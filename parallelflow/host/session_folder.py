"""The throw-away folder of a headless session, and those that crashed sessions left.

A session of ours keeps VisTrails' configuration, caches and temporary files in one
folder of its own, never in the user's. The session holds a lock on a file in it; a
folder whose lock is free belonged to a process that was killed, and the next session
removes it. (A lock cannot be mistaken as a process number can, which another
container may use too.)

The folder for temporary files is everybody's. What another user has put there is neither
opened nor removed, whatever its name is.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..system.file_lock import try_to_lock
from ..system.safe_files import list_files, make_folder, open_lock, open_to_read

_PREFIX = "parallelflow-core-"
_LOCK = "in-use"

#: Where temporary files of modules go, and what VisTrails unpacks.
TEMPORARY = "temporary"

#: What VisTrails would otherwise create, with a warning for each.
_SUBFOLDERS = ("logs", "userpackages", "subworkflows", "thumbs", TEMPORARY)

#: Lock files of this process; closing one gives its folder free.
_held: dict[Path, IO[bytes]] = {}

#: The process that made each of them: a forked child has the same variables, and owns nothing.
_owners: dict[Path, int] = {}


def make_private_folder(parent: Path | None = None) -> Path:
    """Make the folder of a session, which is removed when this process ends.

    Parameters
    ----------
    parent : Path or None
        Where to make it; None for the system's place of temporary files.

    Returns
    -------
    Path
        A new folder, with the subfolders VisTrails wants.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    prepare(folder)
    _lock(folder)
    _owners[folder] = os.getpid()
    atexit.register(_remove_if_owner, folder, os.getpid())
    return folder


def _lock(folder: Path) -> None:
    # Locked before it has its name: at no moment can the folder be taken for an abandoned one.
    # (Windows renames no open file, and its folder for temporary files is the user's own.)
    unnamed = folder / (_LOCK if os.name == "nt" else f"{_LOCK}.new")
    lock = open_lock(unnamed)
    try_to_lock(lock)  # nobody else can have it
    unnamed.rename(folder / _LOCK)
    _held[folder] = lock


def prepare(folder: Path) -> None:
    """Create a configuration folder's subfolders, for this user only."""
    for name in _SUBFOLDERS:
        make_folder(folder / name)


def restore_private_folders() -> list[Path]:
    """Make again what the system has cleaned away of this process' folders.

    Many systems remove files from the folder for temporary files that nobody has used for some
    days; an engine may be left running for longer.

    Returns
    -------
    list of Path
        The folders of which something was missing.

    Raises
    ------
    OSError
        If they cannot be made.
    """
    restored = []
    for folder, lock in list(_held.items()):
        if _owners[folder] != os.getpid():
            continue
        whole = all((folder / name).is_dir() for name in _SUBFOLDERS)
        if whole and (folder / _LOCK).exists():
            continue
        prepare(folder)
        if not (folder / _LOCK).exists():
            _lock(folder)
            lock.close()
        restored.append(folder)
    return restored


def remove_private_folders() -> None:
    """Remove this process's folders now: for programs that end without atexit functions."""
    for folder in list(_held):
        _remove_if_owner(folder, _owners[folder])


def sweep_abandoned(parent: Path | None = None) -> list[Path]:
    """Remove the folders of sessions that were killed.

    Parameters
    ----------
    parent : Path or None
        A further place to look for them, beside the system's place of temporary files.

    Returns
    -------
    list of Path
        The folders removed.
    """
    removed = []
    places = {Path(tempfile.gettempdir()), *([] if parent is None else [parent])}
    for folder in [found for place in places for found in list_files(place, f"{_PREFIX}*")]:
        if not _is_ours(folder):
            continue
        with _lock_if_free(folder / _LOCK) as free:
            if free:
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed


def _is_ours(folder: Path) -> bool:
    """Return True if it is a folder, and no link to one, that only this user can change."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    if not hasattr(os, "geteuid"):
        return stat.S_ISDIR(found.st_mode)  # the folder for temporary files is the user's own
    private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private


@contextlib.contextmanager
def _lock_if_free(lock_file: Path) -> Iterator[bool]:
    try:
        with open_to_read(lock_file, links=False, own=True) as lock:
            yield try_to_lock(lock)
    except OSError:
        # In use, another user's, or just removed by another session.
        yield False


def _remove_if_owner(folder: Path, owner: int) -> None:
    # A forked child runs the same atexit functions.
    if os.getpid() == owner and folder in _held:
        shutil.rmtree(folder, ignore_errors=True)
        _held.pop(folder).close()
