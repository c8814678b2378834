"""Waiting for a condition with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["POLL_INTERVAL", "wait_until"]

POLL_INTERVAL = 0.02
"""Seconds between two looks: a start waits for the last one, and a window for its events."""


def wait_until(
    condition: Callable[[], object], seconds: float | None, check: Callable[[], object] = bool
) -> bool:
    """Wait until a condition holds.

    Parameters
    ----------
    condition : callable
        Returns whether it holds; asked at least once.
    seconds : float or None
        For how long at most; None waits indefinitely.
    check : callable
        Called between two looks; raises to give up.

    Returns
    -------
    bool
        Whether it holds.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    while not condition():
        check()
        if deadline is not None and time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL)
    return True
