"""When a question that may have been lost on its way is sent again."""

from __future__ import annotations

import time

__all__ = ["ResendTimer"]

# An engine that does nothing else answers in a few milliseconds.
ASK_AGAIN_SECONDS = 1.0


class ResendTimer:
    """When an engine was asked, and how long its answer may take before it is asked again.

    What is sent to an engine that has registered, but whose connection to the scheduler is not
    complete, is lost without an error (ZeroMQ's ROUTER sockets drop what they cannot deliver).
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._time_limit = ASK_AGAIN_SECONDS

    def is_due(self) -> bool:
        """Return True if it is time to ask again."""
        return time.monotonic() - self._last >= self._time_limit

    def restart(self) -> None:
        """Count the time from now on, where it has been asked again; twice as long."""
        self._last, self._time_limit = time.monotonic(), 2 * self._time_limit
