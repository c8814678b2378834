"""The engines of a start as they join: who has come, and how long nothing has happened."""

from __future__ import annotations

import functools
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from .connection.resend_timer import ResendTimer
from .model import Stage
from .start_progress import StartProgress

if TYPE_CHECKING:
    from .connection.cluster_connection import ClusterConnection

__all__ = ["Arrivals"]


class Arrivals:
    """Brings the progress of a start up to date with the engines that have joined.

    Parameters
    ----------
    connection : ClusterConnection
        The connection to their cluster.
    progress : StartProgress
        What is brought up to date.
    before : collection of int
        Ids of the engines that were there before.
    """

    def __init__(
        self, connection: ClusterConnection, progress: StartProgress, before: Collection[int]
    ) -> None:
        self._connection = connection
        self._progress = progress
        self._before = set(before)
        self._ready: dict[int, str] = {}
        self._asked: dict[int, ResendTimer] = {}
        self._come_so_far = (0, 0, 0)
        self._changed_at = time.monotonic()

    @property
    def quiet_for(self) -> float:
        """For how long no engine has come further, seconds."""
        return time.monotonic() - self._changed_at

    def begin_again(self) -> None:
        """Count the time without progress from now on."""
        self._changed_at = time.monotonic()

    def look(self) -> int:
        """Bring the progress up to date; return how many engines have joined since the start."""
        connection = self._connection
        connection.look_for_missed_engines()
        connection.meet()
        new = [engine for engine in connection.ids if engine not in self._before]
        for engine in new:
            self._ask(engine)
            facts = connection.facts.get(engine)
            if facts is None:
                continue
            number = self._progress.slot_for(engine, facts.pid)
            if number is None:
                continue  # somebody else's, which has joined meanwhile
            ready = engine in self._ready
            self._progress.set_engine(
                number,
                Stage.READY if ready else Stage.REGISTERED,
                pid=facts.pid,
                engine=engine,
                host=facts.host,
                note=f"without VisTrails: {self._ready[engine]}" if self._ready.get(engine) else "",
            )
        self._progress.report()
        known = self._progress.snapshot.count(Stage.REGISTERED)
        come = (len(new), known, len(self._ready))
        if come != self._come_so_far:
            self._come_so_far = come
            self.begin_again()
        return len(new)

    def _ask(self, engine: int) -> None:
        """Make an engine start VisTrails; again if it has not answered for long."""
        asked = self._asked.get(engine)
        if asked is None:
            self._asked[engine] = ResendTimer()
        elif engine not in self._ready and asked.is_due():
            asked.restart()
        else:
            return
        self._connection.ask_ready(engine, functools.partial(self._ready.__setitem__, engine))
