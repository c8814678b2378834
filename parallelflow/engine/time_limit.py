"""The time limit of an element: it is interrupted, and its engine ends if that has no effect.

A thread of the engine interrupts. An element that is stuck in C code notices no interrupt, and may
hold Python's lock, so that this thread does not run either: then a thread of `faulthandler`, which
needs no lock, ends the process, and writes to the engine's log where the element was.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from .interrupts import Interrupts
from .remote_failure import RemoteFailure

__all__ = ["LEAST_END_SECONDS", "TimeLimit", "limited"]

# So long after its limit an element that cannot be interrupted ends its engine, at the latest and
# at the earliest: an interrupted one ends within 0.2 s (measured), unless a library tidies up.
END_SECONDS = 5.0
LEAST_END_SECONDS = END_SECONDS / 2
# An interrupt may be swallowed by an element's own "except"; interrupted again, it ends.
AGAIN_SECONDS = 0.4
# How late an element may be interrupted, in parts of its limit, and at the most.
POLL_PART, POLL_SECONDS = 0.02, 0.1
# The system takes no later moment than about 9e9 seconds from now; this is 31 years.
LONGEST_SECONDS = 1e9

_log = -1


@contextlib.contextmanager
def limited(seconds: float | None, interrupts: Interrupts) -> Iterator[TimeLimit | None]:
    """Give elements a time limit while the context is entered; None for none."""
    if seconds is None:
        yield None
    else:
        with TimeLimit(seconds, interrupts) as limit:
            yield limit


class TimeLimit:
    """While it is entered, elements that take too long are interrupted.

    Parameters
    ----------
    seconds : float
        How long an element may take.
    interrupts : Interrupts
        By which they are interrupted; entered already.
    """

    def __init__(self, seconds: float, interrupts: Interrupts) -> None:
        self.seconds = seconds
        self._interrupts = interrupts
        self._begun = 0.0
        self._armed = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), daemon=True
        )

    def __enter__(self) -> TimeLimit:
        global _log
        if _log < 0:
            _log = os.dup(2)  # what elements write there is collected
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        faulthandler.cancel_dump_traceback_later()
        self._thread.join()

    def begin(self) -> None:
        """Note that an element begins."""
        self._interrupts.timed_out = False
        self._interrupts.element += 1
        now = self._begun = time.monotonic()
        if now - self._armed > END_SECONDS - LEAST_END_SECONDS:
            # Not for each element: it starts a thread.
            end = min(self.seconds, LONGEST_SECONDS) + END_SECONDS
            faulthandler.dump_traceback_later(end, exit=True, file=_log)
            self._armed = now

    def failure(self, failure: RemoteFailure | None) -> RemoteFailure:
        """Return the failure of an element that was interrupted at its limit.

        Parameters
        ----------
        failure : RemoteFailure or None
            What came of the interrupt; None if the element went on to its end.
        """
        known = failure or RemoteFailure("timeout", "", "")
        return replace(
            known,
            stage="timeout",
            error_type=TimeoutError.__name__,
            message=f"it took longer than {self.seconds:g} s",
            exception=None,
        )

    def _watch(self, thread: int) -> None:
        """Interrupt elements of a thread when their time is over."""
        wait = min(max(self.seconds * POLL_PART, 0.001), POLL_SECONDS)
        interrupts, asked, again_at = self._interrupts, 0, 0.0
        while not self._over.wait(wait):
            element, now = interrupts.element, time.monotonic()
            if not interrupts.inside or now - self._begun < self.seconds:
                continue
            if element != interrupts.element:
                continue  # the next one has begun since
            if asked != element or now >= again_at:
                asked, again_at = element, now + AGAIN_SECONDS
                interrupts.target = element
                signal.pthread_kill(thread, signal.SIGINT)
