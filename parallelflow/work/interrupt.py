"""Ending what engines do for a run, while the engines live on."""

from __future__ import annotations

import contextlib
import queue
import signal
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from parallelflow.engine_manager.connection.client_cache import evict_when_done

from .chunks import Chunk
from .worker import Reply, Worker

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["INTERRUPT_SECONDS", "drop_waiting", "interrupt", "queue_events"]

# An interrupted engine answers within 0.2 s (measured); one that does not is stuck in C code.
INTERRUPT_SECONDS = 1.0
# An interrupt may be swallowed by an element's own "except"; asked again, the chunk ends.
ASK_AGAIN_SECONDS = 0.4
# An interrupt on its way must not meet the next run: its nanny says when it has been sent.
DELIVERY_SECONDS = 0.5
POLL_INTERVAL = 0.02

Event = tuple[Worker, "Chunk | None", Any]


def queue_events(events: queue.SimpleQueue[Event]) -> Reply:
    """Return what puts each answer of an engine into a queue; called in the client's thread."""
    return lambda worker, chunk, answer: events.put((worker, chunk, answer))


def interrupt(
    client: ipyparallel.Client,
    workers: list[Worker],
    events: queue.SimpleQueue[Event],
    handle: Callable[[Worker, Chunk | None, Any], None],
) -> list[int]:
    """End what engines are doing for a run: drop what waits, interrupt what runs.

    Parameters
    ----------
    client : ipyparallel.Client
        The connection.
    workers : list of Worker
        The engines; those without work are left alone.
    events : queue
        Where answers arrive.
    handle : callable
        Called with each answer meanwhile; takes the chunk off its worker.

    Returns
    -------
    list of int
        Ids of the engines that did not answer within `INTERRUPT_SECONDS`. What they have is
        no longer waited for.
    """
    busy = [w for w in workers if w.jobs]
    if not busy:
        return []
    waiting = [answer for w in busy for answer in w.jobs.values() if answer is not None]
    # First what waits: an engine that is interrupted would begin it.
    with contextlib.suppress(Exception):
        client.abort(_ids(waiting), targets=[w.id for w in busy], block=False)
    begin = time.monotonic()
    sent: list[Any] = []
    while any(w.jobs for w in busy) and time.monotonic() - begin < INTERRUPT_SECONDS:
        if time.monotonic() - begin >= len(sent) * ASK_AGAIN_SECONDS:
            for worker in busy:
                if worker.jobs and worker.serves_another():
                    worker.jobs.clear()  # they were dropped; what runs is not ours to interrupt
            sent.append(_send(client, [w.id for w in busy if w.jobs]))
        with contextlib.suppress(queue.Empty):
            handle(*events.get(timeout=POLL_INTERVAL))
    _wait_for_delivery(client, [answer for answer in sent if answer is not None])
    stuck = [w.id for w in busy if w.jobs]
    for worker in busy:
        worker.jobs.clear()
    return stuck


def drop_waiting(client: ipyparallel.Client, workers: Iterable[Worker], index: int) -> None:
    """Drop the chunks after an element that wait on engines behind others."""
    dropped: dict[int, list[Any]] = {}
    for worker in workers:
        for chunk in list(worker.jobs)[1:]:
            if chunk.start > index:
                dropped.setdefault(worker.id, []).append(worker.jobs.pop(chunk))
    for engine, answers in dropped.items():
        waiting = [answer for answer in answers if answer is not None]
        with contextlib.suppress(Exception):
            client.abort(_ids(waiting), targets=[engine], block=False)
        evict_when_done(client, waiting)


def _ids(answers: list[Any]) -> list[str]:
    return [message for answer in answers for message in answer.msg_ids]


def _send(client: ipyparallel.Client, engines: list[int]) -> Any:
    """Send SIGINT by way of the engines' nannies, which works while they compute."""
    with contextlib.suppress(Exception):
        if not engines:
            return None
        return client.send_signal(signal.SIGINT, targets=engines, block=False)
    return None


def _wait_for_delivery(client: ipyparallel.Client, sent: list[Any]) -> None:
    deadline = time.monotonic() + DELIVERY_SECONDS
    while not all(answer.done() for answer in sent) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL)
    evict_when_done(client, sent)
