"""Python's search for garbage, kept off where it would only take time, or do harm."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["collect_as_usual", "end_start", "leave_start_out", "no_collection", "spare_start"]

# While a program starts, nearly all that is made stays: a command makes 80 000 to 150 000 objects.
# A bound, as what else it does then may last.
START_THRESHOLD = 300_000

_usual: tuple[int, int, int] | None = None
_start_left_out = False


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage within the block.

    Where very many objects are made that stay, it would look at all of them again and again: half
    of the time of reading a large pickle.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def spare_start() -> None:
    """Let Python look for garbage hardly ever, until `end_start`; the first thing a program does.

    A tenth of what it computes until it has loaded its libraries is to look at them repeatedly.
    """
    global _usual
    if _usual is None and not _start_left_out:
        _usual = gc.get_threshold()
        gc.set_threshold(START_THRESHOLD, *_usual[1:])


def collect_as_usual() -> None:
    """Let Python look for garbage as it did before `spare_start`."""
    global _usual
    if _usual is not None:
        gc.set_threshold(*_usual)
        _usual = None


def end_start() -> None:
    """Look for garbage as usual from now on, and never in what there is, if `spare_start` was.

    Python looks for it once more as the process ends, and takes apart what it finds: a sixth of
    what a short command computes. Of what is left out it frees nothing that belongs to a cycle.
    So this is called before anything of a user's is executed, which may leave files open, or at the
    very end where nothing is.
    """
    if _usual is not None:
        leave_start_out()


def leave_start_out() -> None:
    """Leave what there is by now out of Python's search for garbage, once in a process.

    To be called when a program has started. VisTrails' window begins with 270 000 objects that stay
    until its end; to look at all of them takes 0.1 to 0.2 s each time, in which the window stands.
    """
    global _start_left_out
    collect_as_usual()
    # Python's own count of what is left out is not 0 at first in Python 3.12.
    if not _start_left_out:
        _start_left_out = True
        gc.freeze()
