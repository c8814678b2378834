"""How everything here is measured: side by side in one run, alternating, medians.

A ratio says more than a time on a machine that others use, too: both sides suffer.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

REPEATS = 5


@dataclass
class Row:
    """One line of the table.

    Attributes
    ----------
    id : str
        As in the table of bars, e.g. ``P1``.
    work : str
        What is done.
    ours, other : float
        Medians of both sides, in `unit`.
    unit : str
        ``s``, ``ms``, ``us``, ``bytes`` or ``%``.
    against : str
        What the other side is.
    bar : float
        What the ratio (or `ours`, if there is no other side) must not exceed.
    """

    id: str
    work: str
    ours: float
    other: float
    unit: str
    against: str
    bar: float

    @property
    def ratio(self) -> float:
        """Ours by the other side's; ours itself where there is none."""
        return self.ours / self.other if self.other else self.ours

    @property
    def reached(self) -> bool:
        """Whether the bar is reached."""
        return self.ratio <= self.bar

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and what follows from them."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}


def seconds(function: Callable[[], Any]) -> float:
    """Return the wall time of a call, or what it says that it took, if it returns a float."""
    gc.collect()
    begin = time.perf_counter()
    own = function()
    return own if isinstance(own, float) else time.perf_counter() - begin


def alternate(
    *functions: Callable[[], Any], repeats: int = REPEATS, warm_up: bool = True
) -> list[float]:
    """Return the median wall time of each function; they take turns, after one warm-up each."""
    times: list[list[float]] = [[] for _ in functions]
    if warm_up:
        for function in functions:
            function()
    for _ in range(repeats):
        for function, own in zip(functions, times, strict=True):
            own.append(seconds(function))
    return [statistics.median(own) for own in times]


def say(text: str) -> None:
    """Tell what is being measured; the table goes to stdout at the end."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
