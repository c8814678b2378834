"""The folders of sessions in shared memory: who owns them, and which are abandoned.

The owner holds a lock on a file in the folder for as long as it lives. The system gives the lock
up however the process ends, so that whoever can take it knows that the folder is abandoned.
Standard library only, and little of it: each session's guard looks for them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # no Unix: there are none
    fcntl = None  # type: ignore[assignment]

__all__ = ["BASE", "OWNER_FILE", "FolderState", "folder_states", "remove_abandoned"]

BASE = Path("/dev/shm")
"""Where Linux keeps files in memory. Elsewhere a file would be written to a disk."""

OWNER_FILE = "owner"
"""The name of the file that a folder's owner has locked."""

# From a folder's making to the lock of its owner: microseconds, on a machine that does not stand
# still. A folder without an owner's file is not taken for abandoned before.
NEW_FOLDER_SECONDS = 30.0


@dataclass(frozen=True)
class FolderState:
    """A folder of this user in shared memory.

    Attributes
    ----------
    path : Path
        The folder.
    owned : bool
        Whether its owner lives.
    nbytes : int
        How much lies there, bytes.
    """

    path: Path
    owned: bool
    nbytes: int


def folder_states(base: Path = BASE) -> list[FolderState]:
    """Return all folders of this user, in the order of their names."""
    return [FolderState(path, not _is_abandoned(path), _content_bytes(path)) for path in _own(base)]


def remove_abandoned(base: Path = BASE) -> int:
    """Remove the folders of this user whose owners have ended; return how many."""
    removed = 0
    for path in _own(base):
        if _is_abandoned(path):
            import shutil  # guards seldom need it, nor what it loads

            shutil.rmtree(path, ignore_errors=True)
            removed += not path.exists()
    return removed


def _own(base: Path) -> Iterator[Path]:
    """Yield the folders of this user, never what another one has put in their place."""
    with suppress(OSError, AttributeError):  # there are no numbers of users on Windows
        user = os.geteuid()
        for path in sorted(base.glob(f"parallelflow-{user}-*")):
            with suppress(OSError):
                status = path.lstat()
                if stat.S_ISDIR(status.st_mode) and status.st_uid == user:
                    yield path


def _is_abandoned(path: Path) -> bool:
    """Return True if no process holds the lock of a folder."""
    try:
        descriptor = os.open(path / OWNER_FILE, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        with suppress(OSError):
            return time.time() - path.lstat().st_mtime > NEW_FOLDER_SECONDS
        return False
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _content_bytes(path: Path) -> int:
    total = 0
    with suppress(OSError):
        for entry in os.scandir(path):
            with suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total
