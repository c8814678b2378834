"""The most memory that the engine's process has while elements run.

Resident memory of the whole process, with what was loaded before; not that of its children.
Standard library only.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from parallelflow.system.memory import shown_bytes

__all__ = ["LONG_SECONDS", "PeakMemory", "came_of_memory", "with_memory"]

# To ask takes 0.05 ms: shorter elements are measured together.
LONG_SECONDS = 0.01

# Linux keeps the highest resident memory, and begins anew when 5 is written there (proc(5)).
STATUS, RESET = "/proc/self/status", "/proc/self/clear_refs"
STATUS_BYTES = 4096


class PeakMemory:
    """Measures the elements of a chunk: a long one with the short ones before it.

    Attributes
    ----------
    peaks : list of (int, int)
        For each group of elements, in their order: how many, and the most memory that the process
        had while they ran, bytes; 0 where the system does not tell.
    """

    def __init__(self) -> None:
        self.peaks: list[tuple[int, int]] = []
        self._count = 0
        self._begin()

    def measure(self, count: int) -> None:
        """Measure the elements that have ended since the last time.

        Parameters
        ----------
        count : int
            How many of the chunk have ended.
        """
        if count == self._count:
            return
        peak = _highest()
        self.peaks.append((count - self._count, peak if peak > self._before else 0))
        self._count = count
        self._begin()

    def _begin(self) -> None:
        # What was there before is known to be no peak of these elements only if it was exceeded.
        self._before = 0 if _reset() else _highest()


def came_of_memory(error: BaseException | None) -> bool:
    """Return True if an exception is a MemoryError, or was raised while one was handled."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, MemoryError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def with_memory(message: str) -> str:
    """Return the message of a MemoryError with how much memory this process had."""
    known = [f"had {shown_bytes(_highest())} at the most"]
    with suppress(ImportError, AttributeError, OSError):  # not on every system
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            known.append(f"may have {shown_bytes(limit)} of addresses (ulimit -v)")
    told = f"the element's process {' and '.join(known)}"
    return f"{message} ({told})" if message else told


def _reset() -> bool:
    with suppress(OSError):
        file = os.open(RESET, os.O_WRONLY)
        try:
            os.write(file, b"5")
            return True
        finally:
            os.close(file)
    return False


def _highest() -> int:
    """Return the highest resident memory since the last reset, bytes; 0 if nobody tells."""
    with suppress(OSError, ValueError, IndexError):
        file = os.open(STATUS, os.O_RDONLY)
        try:
            status = os.read(file, STATUS_BYTES)
        finally:
            os.close(file)
        return int(status.partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024
    with suppress(ImportError):  # Windows
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 0
