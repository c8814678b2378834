"""Engines that answer nothing: they are at work for somebody else, or hang."""

from __future__ import annotations

import time
from collections.abc import Callable

from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.wording import count

from .workers import Workers

__all__ = ["SilentEngines"]

# Setting a function up takes milliseconds, or as long as its packages take to load: seconds with a
# cold disk. What takes longer is worth a line.
SILENT_SECONDS = 15.0


class SilentEngines:
    """Finds out that a run waits for engines that do not answer, and no other does its work.

    Engines that take no part, since the function cannot be set up on them, do not count. It is
    reported once for each time that it begins.

    Parameters
    ----------
    pool : EnginePool
        The owner of the engines, which may start others.
    workers : Workers
        The engines that take part.
    warn : callable
        Called with the line to show.
    """

    def __init__(self, pool: EnginePool, workers: Workers, warn: Callable[[str], object]) -> None:
        self._pool = pool
        self._workers = workers
        self._warn = warn
        self.start_over()

    def start_over(self) -> None:
        """Watch other engines from now on."""
        self._since = time.monotonic()
        self._is_reported = False
        self._is_work_done_here = False

    def is_work_done_here(self) -> bool:
        """Return True if the session's process is to do the work, until an engine answers."""
        if self._is_work_done_here and self._workers.ready():
            self._is_work_done_here = False
            self._warn("The engines answer again: they do the rest of the work.")
        return self._is_work_done_here

    def check(self) -> None:
        """Report engines that have been silent for `SILENT_SECONDS`; others may be started."""
        if self._workers.ready():
            self._since, self._is_reported = time.monotonic(), False
            return
        workers = self._workers.silent()
        if not workers or self._pool.expected() or any(w.serves_this_session() for w in workers):
            self._since = time.monotonic()
            return
        if self._is_reported:
            return
        # Writing a large function into shared memory takes its time before it is sent.
        since = max(self._since, *(worker.asked_since for worker in workers))
        travel = max(worker.travel_seconds for worker in workers)
        if time.monotonic() - since < SILENT_SECONDS + travel:
            return
        self._is_reported = True
        ids = sorted(worker.id for worker in workers)
        several = len(ids) > 1
        names = f"engines {', '.join(map(str, ids))}" if several else f"engine {ids[0]}"
        has, works, hangs = (
            ("have", "they work", "hang") if several else ("has", "it works", "hangs")
        )
        which = "them" if several else "it"
        begin = (
            f"{names} {has} not answered for {SILENT_SECONDS:.0f} s: {works} for somebody else, "
        )
        started = self._pool.start_beside(ids)
        if started:
            are = count(started, "engine is", "engines are")
            self._warn(f"{begin}or {hangs}. {are} being started beside {which}.")
            return
        self._is_work_done_here = self._pool.works_here
        meanwhile = (
            "Until one does, the work is done in this process, one element after the other."
            if self._is_work_done_here
            else f"The work waits for {which}."
        )
        self._warn(
            f"{begin}or {hangs}. {meanwhile} Start others beside {which} "
            f"(Start new engine processes, or parallelflow start), or stop {which} "
            "(Stop this engine in the cluster window, or parallelflow cleanup)."
        )
