"""An event loop for ipyparallel's launchers, alive as long as the cluster."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["EventLoop"]

T = TypeVar("T")

LOOK_SECONDS = 0.05

# Stopping an idle loop is a matter of milliseconds; one that hangs in a launcher's call to
# another program must not keep the session from ending: its thread is a daemon.
CLOSE_SECONDS = 2.0
# Some turns of the loop, for a cancelled coroutine to end in.
PAUSE_SECONDS = 0.05
# Starting a process takes milliseconds; a call to a batch system that hangs is not waited for.
SETTLE_SECONDS = 2.0


class EventLoop:
    """An asyncio loop in a thread of its own, alive as long as the cluster.

    With ipyparallel's ``_sync`` methods the loop is gone after each call, and
    `Cluster` never learns of a later death.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="parallelflow-cluster", daemon=True
        )
        self._thread.start()

    def run(
        self,
        coroutine: Coroutine[Any, Any, T],
        seconds: float,
        check: Callable[[], object] = lambda: None,
    ) -> T:
        """Run a coroutine in the loop and return its result.

        Parameters
        ----------
        coroutine : coroutine
            What to run.
        seconds : float
            How long it may take.
        check : callable
            Called while it runs; raises if the user has given up.

        Raises
        ------
        TimeoutError
            If it takes longer than `seconds`; it is cancelled then.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        deadline = time.monotonic() + seconds
        try:
            while True:
                check()
                try:
                    return future.result(LOOK_SECONDS)
                except concurrent.futures.TimeoutError:  # another class until Python 3.11
                    ended = not self._thread.is_alive()  # what ran there has ended the program
                    if future.done() or ended or time.monotonic() > deadline:
                        raise
        except BaseException:
            future.cancel()
            self._settle()
            raise

    def call(self, function: Callable[[], object], seconds: float) -> bool:
        """Call a function in the loop, between what else it does; return True if it has returned.

        Parameters
        ----------
        function : callable
            What to call; raises nothing.
        seconds : float
            How long to wait for it.
        """
        called = threading.Event()

        def call() -> None:
            function()
            called.set()

        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call)
            return called.wait(seconds)
        return False

    def _settle(self) -> None:
        """Wait until what was cancelled has ended: a launcher may be starting processes.

        They are started without a turn of the loop between them, so whoever stops them must
        not look before.
        """
        with contextlib.suppress(Exception):
            pause = asyncio.run_coroutine_threadsafe(asyncio.sleep(PAUSE_SECONDS), self._loop)
            pause.result(SETTLE_SECONDS)

    def close(self) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()
