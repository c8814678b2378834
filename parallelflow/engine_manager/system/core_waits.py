"""How long processes of this machine have waited for one of its cores.

On a busy machine, a process that has something to do may get a core for a few milliseconds in a
second. Linux counts what each has waited; elsewhere nothing is known, which is taken for no wait.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable
from pathlib import Path

from .process_table import stat_fields

__all__ = ["CoreWaits", "first_child"]

# Whoever runs is seen to have computed after so long: the system counts it some 100 times a second.
LOOK_SECONDS = 0.02

# Computed and waited, nanoseconds, and how often it has got a core: a line of ``schedstat``.
Counts = tuple[int, int, int]


class CoreWaits:
    """What some processes have waited for a core since this was made.

    Parameters
    ----------
    pids : iterable of int
        Their ids. Those of threads will do.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._before = {pid: _counts(pid) for pid in set(pids)}
        self._last = dict(self._before)
        self._told = dict.fromkeys(self._before, 0.0)
        self._looked_at = dict.fromkeys(self._before, -math.inf)

    def seconds(self, pids: Iterable[int]) -> float:
        """Return how long processes have waited, one after the other.

        What they wait at this moment is counted when it is over: it is infinite as long.

        Parameters
        ----------
        pids : iterable of int
            Some of those given before.
        """
        return sum(map(self._seconds, pids))

    def _seconds(self, pid: int) -> float:
        now = time.monotonic()
        if now - self._looked_at[pid] >= LOOK_SECONDS:
            self._looked_at[pid] = now
            before, last, counts = self._before[pid], self._last[pid], _counts(pid)
            self._last[pid] = counts
            if before is None or counts is None:
                self._told[pid] = 0.0
            elif counts == last and _is_runnable(pid):
                self._told[pid] = math.inf
            else:
                self._told[pid] = (counts[1] - before[1]) / 1e9
        return self._told[pid]


def _counts(pid: int) -> Counts | None:
    with contextlib.suppress(OSError, ValueError):
        computed, waited, turns = Path(f"/proc/{pid}/schedstat").read_bytes().split()
        return int(computed), int(waited), int(turns)
    return None


def _is_runnable(pid: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        return stat_fields(pid)[0] == "R"
    return False


def first_child(pid: int) -> list[int]:
    """Return the process that another one's main thread has started first, if it runs (Linux)."""
    with contextlib.suppress(OSError, ValueError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()
        return [int(child) for child in children[:1]]
    return []
