"""Writing records, in threads: neither the engines nor the session wait for the disk.

What is written is safe from a kill at once. That it reaches the disk is another thread's: on a busy
disk that may take seconds, in which what follows must not wait in this process.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from typing import IO

__all__ = ["Writer"]

# What is written reaches the disk after so long, if the machine fails; if only the session does, it
# is safe at once.
SYNC_SECONDS = 1.0
# What waits for a slow disk is bounded: beyond this, whoever adds waits.
MAX_PENDING_BYTES = 128 * 2**20
WAIT_SECONDS = 0.01


class Writer:
    """Adds records to a file.

    Parameters
    ----------
    file : file
        Open for writing, at its end; closed by `close`.
    most_bytes : int or None
        How much may be written.

    Attributes
    ----------
    failure : str
        Why no more is written, a line; empty while all is well.
    """

    def __init__(self, file: IO[bytes], most_bytes: int | None) -> None:
        self.failure = ""
        self._file = file
        self._room = most_bytes
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._pending = 0
        self._thread = threading.Thread(target=self._write, name="parallelflow-checkpoint")
        self._thread.daemon = True
        self._thread.start()
        self._dirty = False
        self._ended = threading.Event()
        self._syncing = threading.Thread(target=self._sync, name="parallelflow-sync", daemon=True)
        self._syncing.start()

    def add(self, data: bytes) -> None:
        """Add records; returns before they are written."""
        if self.failure:
            return
        self._pending += len(data)
        self._queue.put(data)
        while self._pending > MAX_PENDING_BYTES and not self.failure:
            time.sleep(WAIT_SECONDS)

    def close(self) -> None:
        """Wait until all is written, and close the file."""
        self._queue.put(None)
        self._thread.join()
        self._ended.set()
        self._syncing.join()
        self._file.close()

    def _write(self) -> None:
        while (data := self._queue.get()) is not None:
            self._pending -= len(data)
            if not self.failure:
                self._append(data)
                self._dirty = True

    def _sync(self) -> None:
        while not self._ended.wait(SYNC_SECONDS):
            if self._dirty:
                self._dirty = False
                with contextlib.suppress(OSError):
                    os.fdatasync(self._file.fileno())

    def _append(self, data: bytes) -> None:
        descriptor = self._file.fileno()
        if self._room is not None and len(data) > self._room:
            self._fail("it would be larger than checkpointMegabytes allows")
            return
        begin = os.lseek(descriptor, 0, os.SEEK_END)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError as e:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, begin)
            self._fail(e.strerror or str(e))
            return
        if self._room is not None:
            self._room -= len(data)

    def _fail(self, why: str) -> None:
        self.failure = (
            f"the checkpoint is not written any more: {why}. The run goes on; if it does not end "
            "well, what finishes from now on is computed again."
        )
