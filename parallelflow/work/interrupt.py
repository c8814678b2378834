"""Ending what engines do for a run, while the engines live on."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from parallelflow.engine_manager.connection.client_cache import evict_when_done
from parallelflow.engine_manager.system.core_waits import CoreWaits

from .chunks import Chunk
from .worker import Reply, Worker

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["INTERRUPT_SECONDS", "drop_waiting", "interrupt", "queue_events"]

# An interrupted engine answers within 0.2 s (measured); one that does not is stuck in C code.
# Not counted: how long it, and what is between, wait for a core on a busy machine.
INTERRUPT_SECONDS = 1.0
# The user waits no longer for what gets no core.
LONGEST_SECONDS = 10.0
# An interrupt may be swallowed by an element's own "except"; asked again, the chunk ends.
ASK_AGAIN_SECONDS = 0.4
# An interrupt on its way must not meet the next run: its nanny says when it has been sent.
DELIVERY_SECONDS = 0.5
POLL_INTERVAL = 0.02

Event = tuple[Worker, "Chunk | None", Any]
Relays = Mapping[int, Collection[int]]


def queue_events(events: queue.SimpleQueue[Event]) -> Reply:
    """Return what puts each answer of an engine into a queue; called in the client's thread."""
    return lambda worker, chunk, answer: events.put((worker, chunk, answer))


def interrupt(
    client: ipyparallel.Client,
    workers: list[Worker],
    events: queue.SimpleQueue[Event],
    handle: Callable[[Worker, Chunk | None, Any], None],
    relays: Callable[[Collection[int]], Relays] = lambda engines: {},
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
    relays : callable
        As `EnginePool` has it.

    Returns
    -------
    list of int
        Ids of the engines that did not answer within `INTERRUPT_SECONDS`, as `_Patience` counts
        them. What they have is no longer waited for.
    """
    busy = [w for w in workers if w.jobs]
    if not busy:
        return []
    waiting = [answer for w in busy for answer in w.jobs.values() if answer is not None]
    # First what waits: an engine that is interrupted would begin it.
    with contextlib.suppress(Exception):
        client.abort(_ids(waiting), targets=[w.id for w in busy], block=False)
    begin = time.monotonic()
    patience = _Patience(relays([w.id for w in busy]))
    sent: list[Any] = []
    while any(w.jobs and patience.lasts(w.id) for w in busy):
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


class _Patience:
    """How long the answers of engines that are interrupted are waited for.

    An engine hears of it by way of the controller and its nanny. What these processes have waited
    for a core, and this one, is not held against it: it may have had no chance to answer.

    Parameters
    ----------
    relays : dict
        The processes of this machine, by engine.
    """

    def __init__(self, relays: Relays) -> None:
        here = threading.get_native_id()
        self._relays = {engine: [*pids, here] for engine, pids in relays.items()}
        self._waits = CoreWaits(pid for pids in self._relays.values() for pid in pids)
        self._begin = time.monotonic()

    def lasts(self, engine: int) -> bool:
        """Return True if an engine still has time to answer."""
        seconds = time.monotonic() - self._begin
        if seconds < INTERRUPT_SECONDS / 2:
            return True
        # Who gets no core now is seen by what it was at the look before.
        waited = self._waits.seconds(self._relays.get(engine, ()))
        return seconds < LONGEST_SECONDS and seconds - waited < INTERRUPT_SECONDS


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
