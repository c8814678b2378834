"""Shared memory that killed windows have left in the system.

VisTrails' window finds others of its kind by a segment of one byte. Qt makes its key of a file's
number in the file system, of which only a part goes into the key: a window whose key is that of a
segment that a killed one has left takes the segment for another window's. (`QSharedMemory`, in
Qt's documentation, tells that a killed process leaves it; `ftok(3)` tells what goes into a key.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

__all__ = ["remove_stale_segments", "segments"]

SEGMENTS = Path("/proc/sysvipc/shm")
# The first byte of keys that Qt makes.
QT = ord("Q")
IPC_RMID = 0


def segments() -> list[dict[str, int]]:
    """Return what the system tells of the segments of windows; nothing on other systems."""
    with contextlib.suppress(OSError):
        titles, *lines = SEGMENTS.read_text().splitlines()
        found = (dict(zip(titles.split(), map(int, line.split()), strict=False)) for line in lines)
        return [each for each in found if (each["key"] >> 24) & 0xFF == QT and each["size"] == 1]
    return []


def remove_stale_segments() -> int:
    """Remove this user's segments of windows that have ended; return how many there were."""
    removed = 0
    for each in segments():
        if each["nattch"] == 0 and each["uid"] == os.getuid():
            removed += ctypes.CDLL(None).shmctl(each["shmid"], IPC_RMID, None) == 0
    return removed
