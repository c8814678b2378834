"""What ipyparallel's client keeps of every message, and how it is made to let go of it."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .requests import Answer

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["drop_unexpected", "evict_when_done", "forget"]

logger = logging.getLogger(__name__)

_unread: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def forget(client: ipyparallel.Client, answer: Any) -> None:
    """Remove an answer from the client's caches, which otherwise keep every one indefinitely."""
    with contextlib.suppress(Exception):
        # By their ids: ipyparallel compares AsyncResults by a length that it caches together
        # with the last 128 AsyncResults and all they hold (9.2, AsyncResult.__len__).
        client.purge_local_results(list(answer.msg_ids))
        for msg_id in answer.msg_ids:
            client.history.remove(msg_id)
    if isinstance(answer, Answer):
        with contextlib.suppress(Exception):
            # As long as the client knows the request, it has functions to call for it.
            if not any(msg_id in client._futures for msg_id in answer.msg_ids):
                answer.let_go()


def evict_when_done(client: ipyparallel.Client, answers: list[Any]) -> None:
    """Forget answers that nobody waits for, when they have come."""
    with _lock:  # runs in several threads may share a client
        done: list[Any] = []
        waiting: list[Any] = []
        for answer in (*_unread.get(client, ()), *answers):
            (done if answer.done() else waiting).append(answer)
        _unread[client] = waiting
    for answer in done:
        forget(client, answer)


def drop_unexpected(client: ipyparallel.Client) -> None:
    """Drop replies that nobody waits for any more, which a client would print and keep.

    A hub that shuts down answers for engines whose answers have been there, or were forgotten
    (ipyparallel 9.2, Client._handle_apply_reply).
    """
    handlers: dict[str, Any] = client._queue_handlers

    def expected(handle: Callable[[Any], object], message: Any) -> None:
        parent, metadata = message["parent_header"], message["metadata"]
        broadcast = metadata.get("is_broadcast") and metadata.get("is_coalescing")
        waited_for = metadata.get("original_msg_id") if broadcast else parent.get("msg_id")
        if waited_for in client.outstanding:
            handle(message)
        else:
            logger.debug("a reply that nobody waits for: %s", waited_for)

    for kind in ("apply_reply", "execute_reply"):
        handlers[kind] = functools.partial(expected, handlers[kind])
