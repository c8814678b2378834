"""Python's search for garbage, kept off while very many objects are made."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["no_collection"]


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while very many objects are made that stay.

    It would look at all of them again and again: half of the time of reading a large pickle.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
