"""Which engines the user has interrupted: what they work at fails by that, and not by a fault."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["clear", "is_user_interrupt", "record_user_interrupt"]

USER_SECONDS = 10.0
"""How long an interrupt that the user asked for takes to come back as an element's failure."""

# By client, since the engines of every cluster are numbered from 0.
_asked: weakref.WeakKeyDictionary[Any, dict[int, float]] = weakref.WeakKeyDictionary()


def record_user_interrupt(client: ipyparallel.Client, engine: int) -> None:
    """Record that the user has interrupted what an engine works at."""
    _asked.setdefault(client, {})[engine] = time.monotonic()


def is_user_interrupt(client: ipyparallel.Client, engine: int) -> bool:
    """Return True if the user has interrupted an engine within the last `USER_SECONDS`."""
    asked = _asked.get(client, {}).get(engine)
    return asked is not None and time.monotonic() - asked < USER_SECONDS


def clear(client: ipyparallel.Client) -> None:
    """Forget the interrupts of the engines of a cluster."""
    _asked.pop(client, None)
