"""A session's folder in shared memory: what fits into it, and when it goes.

Standard library only; needs a Unix.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from parallelflow.system.memory import available_memory

from .folder_owners import BASE, OWNER_FILE
from .shared_file import READ_FLAGS, Buffer, FileReference, write_buffers

try:
    import fcntl
except ImportError:  # no Unix: large data travels in messages there
    fcntl = None  # type: ignore[assignment]

__all__ = ["SharedFolder"]

Offer = tuple[str, str, "int | None"]
"""Path, token and limit of a folder, for other processes."""

# What has to stay free: of the file system, since other programs use it, too; and of the memory,
# since a file in shared memory takes it away from everybody.
RESERVED_BYTES = 16 << 20
# Of so many runs that have ended engines may still be writing results.
MAX_RETIRED = 64
MEMORY_PART = 0.6


class SharedFolder:
    """Writes buffers into files that other processes of this machine and user can map.

    Parameters
    ----------
    path : str
        The folder.
    limit : int or None
        How many bytes may be written into one file; None: what there is room for.

    Attributes
    ----------
    owner : int
        Process id of whoever made this object: forked children own nothing.

    Notes
    -----
    `create` makes one that this process owns, `open` finds somebody else's to write into.
    """

    def __init__(self, path: str, limit: int | None = None) -> None:
        self.path = path
        self.limit = limit
        self.owner = os.getpid()
        self._token = ""
        self._retired: deque[str] = deque(maxlen=MAX_RETIRED)
        self._lock_file: int | None = None
        self._numbers = itertools.count()
        self._prefix = f"{os.getpid()}-{os.urandom(4).hex()}"

    @classmethod
    def create(cls, base: Path = BASE, limit: int | None = None) -> SharedFolder | None:
        """Make a folder of this process' own, for this user alone.

        Returns
        -------
        SharedFolder or None
            None where there is no shared memory that this process may write to.
        """
        if fcntl is None or not _is_in_memory(base):
            return None
        folder = cls(str(base / f"parallelflow-{os.geteuid()}-{os.urandom(16).hex()}"), limit)
        try:
            folder._make()
        except OSError:
            folder.remove()
            return None
        return folder

    @classmethod
    def open(cls, offer: Offer) -> SharedFolder | None:
        """Return another process' folder, None if it is not here.

        Its owner's file must hold the offer's token: then it is that folder, and this process
        shares a memory with its owner.
        """
        path, token, limit = offer
        try:
            descriptor = os.open(f"{path}/{OWNER_FILE}", READ_FLAGS)
        except (OSError, ValueError):
            return None
        try:
            found = os.read(descriptor, 200)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return cls(path, limit) if found == token.encode() else None

    @property
    def offer(self) -> Offer:
        """What another process needs to open it."""
        return self.path, self._token, self.limit

    def exists(self) -> bool:
        """Return True if the folder has not been removed."""
        return Path(self.path, OWNER_FILE).exists()

    def _make(self) -> None:
        folder = Path(self.path)
        folder.mkdir(0o700)
        folder.chmod(0o700)  # whatever the umask is
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._lock_file = os.open(folder / OWNER_FILE, flags, 0o600)
        # Blocking: whoever looks for abandoned folders may hold the new file for a moment.
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        self._token = os.urandom(16).hex()
        os.write(self._lock_file, self._token.encode())

    def write(
        self, buffers: Sequence[Sequence[Buffer]], last_reader: bool, label: str = ""
    ) -> FileReference | None:
        """Write buffers into a new file.

        Parameters
        ----------
        buffers : sequence of sequence of bytes-like
            As `shared_file.write_buffers` has them.
        last_reader : bool
            Whether the first one who reads the file removes its name.
        label : str
            Begins the file's name, see `retire`.

        Returns
        -------
        FileReference or None
            None where there is no room for it: send the buffers in a message.
        """
        nbytes = sum(memoryview(piece).nbytes for pieces in buffers for piece in pieces)
        if nbytes > self.room():
            return None
        name = f"{label}-{self._prefix}-{next(self._numbers)}"
        return write_buffers(f"{self.path}/{name}", buffers, last_reader)

    def room(self) -> int:
        """Return how many bytes may be written into one file now."""
        try:
            status = os.statvfs(self.path)
        except OSError:
            return 0
        room = status.f_bavail * status.f_frsize - RESERVED_BYTES
        available = available_memory()
        if available is not None:
            room = min(room, int(available * MEMORY_PART))
        if self.limit is not None:
            room = min(room, self.limit)
        return max(room, 0)

    def retire(self, label: str) -> None:
        """Remove what was written under a label, by this or another process, and not read.

        What another process still writes under it is removed by the next `sweep`.
        """
        self._retired.append(label)
        self.sweep()

    def sweep(self) -> None:
        """Remove what was written under retired labels."""
        if not self._retired:
            return
        labels = tuple(f"{label}-" for label in self._retired)
        with suppress(OSError):
            for entry in os.scandir(self.path):
                if entry.name.startswith(labels):
                    with suppress(OSError):
                        Path(entry.path).unlink()

    def remove(self) -> None:
        """Remove the folder with all that is in it; only its owner does, forked children do not.

        What others have mapped stays valid for them.
        """
        if self.owner != os.getpid():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        lock_file, self._lock_file = self._lock_file, None
        if lock_file is not None:
            os.close(lock_file)


def _is_in_memory(base: Path) -> bool:
    """Return True if a folder is a file system in memory, as far as the system tells."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            kinds = {fields[1]: fields[2] for fields in map(str.split, mounts) if len(fields) > 2}
    except OSError:
        return False
    folder = base.absolute()
    for place in (folder, *folder.parents):
        if str(place) in kinds:
            return kinds[str(place)] in ("tmpfs", "ramfs")
    return False
