"""Whether a loop's elements are worth sending: its first ones are timed in this process."""

from __future__ import annotations

import time
from typing import Any

from parallelflow.engine import payload

__all__ = ["SendingCost", "Trial", "sending_cost"]

# Until so many seconds have been measured nothing is decided: times of single short elements, of
# which the first imports what it needs, say little.
TRIAL_SECONDS = 0.05


class SendingCost:
    """What a loop costs beyond its elements' own time when it runs on engines, in seconds.

    It follows what this session's loops have cost; the first values are those of a machine of two
    cores, without other work.
    """

    def __init__(self) -> None:
        self._of_set_up = 0.1
        self._of_start = 4.0

    def seconds(self, engines_run: bool) -> float:
        """Return the cost of a loop, with or without engines that run already."""
        return self._of_set_up + (0.0 if engines_run else self._of_start)

    def learn_set_up(self, seconds: float) -> None:
        """Take note of the time from a run's begin to its first values, without their own."""
        self._of_set_up = (self._of_set_up + max(seconds, 0.0)) / 2

    def learn_start(self, seconds: float) -> None:
        """Take note of the time in which engines were started."""
        self._of_start = (self._of_start + max(seconds, 0.0)) / 2


sending_cost = SendingCost()


class Trial:
    """The first elements of a loop, evaluated here.

    Parameters
    ----------
    total : int
        Number of elements.
    engines_run : bool
        Whether there are engines.

    Attributes
    ----------
    obstacle : str
        Why an element cannot travel; empty if it can.
    """

    def __init__(self, total: int, engines_run: bool) -> None:
        self._total = total
        self._engines_run = engines_run
        self._done = 0
        self._seconds = self._travel_seconds = 0.0
        self.obstacle = ""

    def note(self, seconds: float, element: Any, value: Any) -> None:
        """Take note of an element: its time, and that of its way to an engine and back."""
        self._seconds += seconds
        self._done += 1
        if self._done == 1:
            begin = time.perf_counter()
            try:
                payload.dump((element, value))
            except Exception as e:  # of any kind: pickling runs the values' own code
                self.obstacle = f"{type(e).__name__}: {e}"
            # Written and read, here and there.
            self._travel_seconds = 2 * (time.perf_counter() - begin)

    @property
    def mean_seconds(self) -> float:
        """The mean time of an element."""
        return self._seconds / max(self._done, 1)

    @property
    def says_send(self) -> bool:
        """Whether the elements left would take longer here than sending them costs."""
        if self.obstacle or self._seconds < TRIAL_SECONDS:
            return False
        gain = self.mean_seconds - self._travel_seconds
        return gain * (self._total - self._done) > sending_cost.seconds(self._engines_run)
