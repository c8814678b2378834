"""Memory: no further element begins on a machine that runs low, and engines that it has cost."""

from __future__ import annotations

import time
from collections import deque

from parallelflow.engine import place
from parallelflow.progress import Progress
from parallelflow.system.memory import memory_kills, shortage, shown_bytes, total_memory

from .worker import Worker
from .workers import Workers

__all__ = ["MemoryWatch"]

# How often the system's count of killed processes is read, which takes 0.2 ms.
LOOK_SECONDS = 0.5
# An engine's end is noticed within a second of its death; what was counted before that is the
# end of something else.
NOTICE_SECONDS = 1.5
# What an engine has told of its machine is believed for so long; then an element is tried there.
BELIEVE_SECONDS = 3.0

# Of so many looks the count is kept.
LOOKS = 20


class MemoryWatch:
    """Says which engines may begin with an element, and which were killed for lack of memory.

    Engines in other control groups, such as a batch job's, and on other machines tell by
    themselves that memory runs low there. Whether they were killed for it is not known.

    Parameters
    ----------
    workers : Workers
        The run's engines.
    progress : Progress
        Where it is told that work is held back.
    """

    def __init__(self, workers: Workers, progress: Progress) -> None:
        self._workers = workers
        self._progress = progress
        self._machine = place.description()["machine"]
        self._reported: dict[str, tuple[float, tuple[int, int]]] = {}
        self._told: set[str] = set()
        # When the count was read, on the monotonic clock, and what it was. Whatever ends an engine
        # in this run comes after the first look.
        first = (time.monotonic(), memory_kills())
        self._counts: deque[tuple[float, int]] = deque([first], maxlen=LOOKS)

    def look(self) -> None:
        """Read the count of killed processes, if it is time to."""
        now = time.monotonic()
        if now - self._counts[-1][0] >= LOOK_SECONDS:
            self._counts.append((now, memory_kills()))

    def killed(self, worker: Worker) -> str:
        """Return how an engine that has crashed was ended, if it was for lack of memory.

        Returns
        -------
        str
            Such as *killed by the system for lack of memory (there are 8.0 GB)*; empty if it was
            not, or that is not known.
        """
        if worker.machine != self._machine:
            return ""
        before = worker.gone_at - NOTICE_SECONDS
        earlier = [kills for when, kills in self._counts if when <= before]
        if memory_kills() <= (earlier[-1] if earlier else self._counts[0][1]):
            return ""
        return f"killed by the system for lack of memory (there are {shown_bytes(total_memory())})"

    def note(self, worker: Worker, low: tuple[int, int]) -> None:
        """Take note of what an engine has told of its machine: bytes that are free, and of all."""
        self._reported[worker.machine] = time.monotonic(), low

    def others_work(self, worker: Worker) -> bool:
        """Return True if an engine of the machine has an element of the run."""
        return any(each.jobs and each.machine == worker.machine for each in self._workers)

    def may_begin(self, worker: Worker) -> bool:
        """Return False if an element is not to begin on an engine now.

        One alone on its machine goes on, whatever there is of memory: nothing else would make
        room for it.
        """
        low = self._low(worker.machine)
        if low is None or not self.others_work(worker):
            return True
        if worker.machine not in self._told:
            self._told.add(worker.machine)
            free, total = map(shown_bytes, low)
            self._progress.warn(
                f"Memory runs low on {worker.host}: {free or 'nothing'} of {total} is free. No "
                "further element begins there while others run."
            )
        return False

    def _low(self, machine: str) -> tuple[int, int] | None:
        found = shortage() if machine == self._machine else None
        when, told = self._reported.get(machine, (0.0, None))
        if found is None and told is not None and time.monotonic() - when < BELIEVE_SECONDS:
            return told
        return found
