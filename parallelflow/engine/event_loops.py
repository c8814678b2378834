"""asyncio in an element: as in a process that runs no event loop of its own, as an engine does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["no_event_loop"]

# The policy knows the loop of each thread. Elements have one of their own, so that they neither
# get the engine's loop nor put another one in its place; it is theirs in all chunks.
_policy: Any = None


# Python 3.14 warns of the public ones.
_get_policy: Any = getattr(asyncio.events, "_get_event_loop_policy", asyncio.get_event_loop_policy)
_set_policy: Any = getattr(asyncio.events, "_set_event_loop_policy", asyncio.set_event_loop_policy)


def _swap_task(loop: Any, task: Any) -> Any:
    """Set what asyncio takes for the running task; from 3.14 on no other may be run within it."""
    swap = getattr(asyncio.tasks, "_swap_current_task", None)
    return None if swap is None else swap(loop, task)


@contextlib.contextmanager
def no_event_loop() -> Iterator[None]:
    """Hide the event loop that runs the engine from asyncio, in this thread and block."""
    global _policy
    running = asyncio._get_running_loop()
    if running is None:  # not on an engine, or one that runs its tasks in a thread
        yield
        return
    outer = _get_policy()
    if _policy is None:
        try:
            _policy = type(outer)()
        except Exception:  # one that needs arguments
            _policy = outer
    task = _swap_task(running, None)
    asyncio._set_running_loop(None)
    _set_policy(_policy)
    try:
        yield
    finally:
        _policy = _get_policy()
        _set_policy(outer)
        asyncio._set_running_loop(running)
        _swap_task(running, task)
