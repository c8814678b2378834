"""The throw-away folder of a headless session, and those that crashed sessions left.

A session of ours keeps VisTrails' configuration, caches and temporary files in one
folder of its own, never in the user's. The session holds a lock on a file in it; a
folder whose lock is free belonged to a process that was killed, and the next session
removes it. (A lock cannot be mistaken as a process number can, which another
container may use too.)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..file_lock import try_to_lock

_PREFIX = "parallelflow-core-"
_LOCK = "in-use"

#: Where temporary files of modules go, and what VisTrails unpacks.
TEMPORARY = "temporary"

#: What VisTrails would otherwise create, with a warning for each.
_SUBFOLDERS = ("logs", "userpackages", "subworkflows", "thumbs", TEMPORARY)

#: Lock files of this process; closing one gives its folder free.
_held: dict[Path, IO[str]] = {}

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
    # Locked before it has its name: at no moment can the folder be taken for an abandoned one.
    # (Windows renames no open file, and its folder for temporary files is the user's own.)
    unnamed = folder / (_LOCK if os.name == "nt" else f"{_LOCK}.new")
    lock = unnamed.open("w")
    try_to_lock(lock)  # nobody else can have it
    unnamed.rename(folder / _LOCK)
    _held[folder] = lock
    _owners[folder] = os.getpid()
    atexit.register(_remove_if_owner, folder, os.getpid())
    return folder


def prepare(folder: Path) -> None:
    """Create a configuration folder's subfolders."""
    for name in _SUBFOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)


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
    for lock_file in [file for place in places for file in place.glob(f"{_PREFIX}*/{_LOCK}")]:
        with _lock_if_free(lock_file) as free:
            if free:
                shutil.rmtree(lock_file.parent, ignore_errors=True)
                removed.append(lock_file.parent)
    return removed


@contextlib.contextmanager
def _lock_if_free(lock_file: Path) -> Iterator[bool]:
    try:
        with lock_file.open() as lock:
            yield try_to_lock(lock)
    except OSError:
        # In use, another user's, or just removed by another session.
        yield False


def _remove_if_owner(folder: Path, owner: int) -> None:
    # A forked child runs the same atexit functions.
    if os.getpid() == owner and folder in _held:
        shutil.rmtree(folder, ignore_errors=True)
        _held.pop(folder).close()
