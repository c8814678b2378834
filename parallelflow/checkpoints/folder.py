"""The folder of all checkpoints: what is there, who writes it, what is removed."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from parallelflow.system import safe_files
from parallelflow.system.file_lock import try_to_lock

from .records import read_header, read_records

__all__ = [
    "Kept",
    "checkpoints_folder",
    "find",
    "list_kept",
    "new_path",
    "open_locked",
    "prune",
    "remove",
    "when",
]

ENDING = ".checkpoint"
MEGABYTE = 2**20
DAY_SECONDS = 86_400


def checkpoints_folder() -> Path:
    """Return the folder; it is made when there is something to keep."""
    return Path.home() / ".vistrails" / "parallelflow" / "checkpoints"


@dataclass(frozen=True)
class Kept:
    """A checkpoint on disk.

    Attributes
    ----------
    path : Path
        Its file.
    header : dict
        ``place``, ``label``, ``parts``, ``total``, ``begun``, ``pid``, ``host``.
    size : int
        Of the file, bytes.
    changed : float
        When it was last written, seconds since the epoch.
    """

    path: Path
    header: dict[str, Any]
    size: int
    changed: float

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.path.name.removesuffix(ENDING)

    @property
    def place(self) -> str:
        """Where its run is asked for."""
        return str(self.header.get("place", ""))

    @property
    def parts(self) -> dict[str, str]:
        """What decides its values."""
        parts = self.header.get("parts")
        return parts if isinstance(parts, dict) else {}

    @property
    def begun(self) -> float:
        """When its run began, seconds since the epoch."""
        begun = self.header.get("begun")
        return begun if isinstance(begun, (int, float)) else self.changed

    def count(self) -> int:
        """Return how many elements it has."""
        with safe_files.open_to_read(self.path, links=False, own=True) as file:
            return max(sum(1 for _ in read_records(file)) - 1, 0)


def when(seconds: float) -> str:
    """Return a time as it is told: *today 18:02*, *yesterday 18:02*, *2026-03-01 18:02*."""
    then = datetime.datetime.fromtimestamp(seconds)
    days = (datetime.date.today() - then.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"{then:%Y-%m-%d}")
    return f"{day} {then:%H:%M}"


def list_kept(folder: Path | None = None) -> list[Kept]:
    """Return the checkpoints, the oldest first; files that are no checkpoints are passed over."""
    found = []
    for path in safe_files.list_files(folder or checkpoints_folder(), f"*{ENDING}"):
        with contextlib.suppress(OSError, safe_files.UnusableFile):
            with safe_files.open_to_read(path, links=False, own=True) as file:
                header = read_header(file)
                known = os.fstat(file.fileno())
            found.append(Kept(path, header or {}, known.st_size, known.st_mtime))
    return sorted(found, key=lambda each: (each.begun, each.name))


def find(name: str) -> Kept | None:
    """Return the checkpoint of a name, None if there is none."""
    return next((each for each in list_kept() if each.name == name), None)


def new_path() -> Path:
    """Return the file of a new checkpoint, after making the folder."""
    safe_files.make_folder(checkpoints_folder())
    return checkpoints_folder() / f"{uuid.uuid4().hex[:10]}{ENDING}"


def open_locked(path: Path) -> IO[bytes] | None:
    """Open a checkpoint to go on with it; None if another session writes it."""
    file = safe_files.open_lock(path)
    try:
        if try_to_lock(file) and os.fstat(file.fileno()).st_nlink:
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def prune(megabytes: int, days: int) -> Iterator[str]:
    """Remove checkpoints that are too old, and the oldest ones where there is too much of them.

    Parameters
    ----------
    megabytes : int
        How large all may be together; 0 for any size.
    days : int
        How old one may be; 0 for any age.

    Yields
    ------
    str
        A line about each one that was removed.
    """
    kept = list_kept()
    total = sum(each.size for each in kept)
    for each in sorted(kept, key=lambda one: one.changed):
        age = (time.time() - each.changed) / DAY_SECONDS
        if days and age > days:
            why = f"it is older than {days} days (checkpointDays)"
        elif megabytes and total > megabytes * MEGABYTE:
            why = f"all of them take more than {megabytes} MB (checkpointMegabytes)"
        else:
            continue
        if remove(each):
            total -= each.size
            label = each.header.get("label") or each.name
            yield f"the checkpoint of {label} of {when(each.begun)} was removed: {why}."


def remove(kept: Kept) -> bool:
    """Remove a checkpoint; return False if a session writes it, or it cannot be removed."""
    try:
        file = open_locked(kept.path)
        if file is None:
            return False
        with file:
            kept.path.unlink()
    except (OSError, safe_files.UnusableFile):
        return False
    return True
