"""What ipyparallel's client keeps of every message, and how it is made to let go of it."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["forget", "leave_unread", "note_received"]

# AsyncResults refer to themselves. Of large results more than this would wait for Python to
# look for cycles, which it does by the number of objects, not by their size.
GARBAGE_BYTES = 64_000_000

_unread: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
_received: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def forget(client: ipyparallel.Client, answer: Any) -> None:
    """Remove an answer from the client's caches, which otherwise keep every one indefinitely."""
    with contextlib.suppress(Exception):
        # In a list: an AsyncResult's truth is its length, which ipyparallel caches together
        # with the last 128 AsyncResults and all they hold (9.2, AsyncResult.__len__).
        client.purge_local_results([answer])
        for msg_id in answer.msg_ids:
            client.history.remove(msg_id)


def leave_unread(client: ipyparallel.Client, answers: list[Any]) -> None:
    """Forget answers that nobody waits for, when they have come."""
    with _lock:  # runs in several threads may share a client
        done: list[Any] = []
        waiting: list[Any] = []
        for answer in (*_unread.get(client, ()), *answers):
            (done if answer.done() else waiting).append(answer)
        _unread[client] = waiting
    for answer in done:
        forget(client, answer)


def note_received(client: ipyparallel.Client, size: int) -> None:
    """Take note that results of `size` bytes are done with; now and then free them."""
    with _lock:
        received = _received.get(client, 0) + size
        full = received > GARBAGE_BYTES
        _received[client] = 0 if full else received
    if full:
        gc.collect()
