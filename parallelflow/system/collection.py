"""Python's search for garbage, kept off where it would only take time, or do harm."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["leave_start_out", "no_collection"]

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


def leave_start_out() -> None:
    """Leave what there is by now out of Python's search for garbage, once in a process.

    To be called when a program has started. VisTrails' window begins with 270 000 objects that stay
    until its end; to look at all of them takes 0.1 to 0.2 s each time, in which the window stands.
    """
    global _start_left_out
    # Python's own count of what is left out is not 0 at first in Python 3.12.
    if not _start_left_out:
        _start_left_out = True
        gc.freeze()
