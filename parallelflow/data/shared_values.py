"""Large values of a run in shared memory: written by one side, mapped by the other.

The client has a folder for its session and offers it to engines. An engine that can read the
folder's token shares the memory, writes its large results there, and finds there what the client
has for it. Standard library only.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .folder_owners import remove_abandoned
from .parcel import Frame, Packing, layout_of, share_received
from .shared_folder import Offer, SharedFolder

__all__ = ["SHARED_BYTES", "SharedValues", "machine_values", "session_folder"]

# From this size on a file costs less than a message, which is copied, encrypted, decrypted and
# copied again on its way through the controller. Below it, making, mapping and removing a file
# (0.1 ms) does not pay.
SHARED_BYTES = 1 << 20


class SharedValues:
    """The files that one run writes into a folder in shared memory.

    Parameters
    ----------
    folder : SharedFolder or None
        None: everything travels in messages.
    label : str
        Begins the names of the run's files.
    """

    def __init__(self, folder: SharedFolder | None, label: str) -> None:
        self._folder = folder
        self._label = label

    @property
    def offer(self) -> Offer | None:
        """What an engine needs to find out whether it shares the memory."""
        return None if self._folder is None else self._folder.offer

    def frames(self, packing: Packing, one_reader: bool) -> list[Frame]:
        """Return the frames of a message to somebody who shares the memory.

        Parameters
        ----------
        packing : Packing
            The value.
        one_reader : bool
            Whether one process reads it, once.

        Returns
        -------
        list of bytes-like
            One short frame if the value was written into a file; the value itself if it is
            small, or where there is no room.
        """
        folder = self._folder
        if folder is None or packing.nbytes < SHARED_BYTES:
            return packing.frames()
        shared = packing.shared_frames(lambda parts: folder.write(parts, one_reader, self._label))
        return packing.frames() if shared is None else shared

    def keep(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Write a value that has come in a message into the folder, for this machine's processes.

        Returns
        -------
        sequence of bytes-like
            One short frame, from which the value is read here as elsewhere on the machine; the
            same frames where there is no room.
        """
        folder = self._folder
        if folder is None:
            return frames
        shared = share_received(frames, lambda parts: folder.write(parts, False, self._label))
        return frames if shared is None else [shared]

    def discard(self, frames: Sequence[Frame]) -> None:
        """Remove the file of frames that nobody will read any more, if they have one."""
        layout = layout_of(frames)
        if layout is not None and layout.file is not None:
            with suppress(OSError):
                Path(layout.file.path).unlink()

    def close(self) -> None:
        """Remove what was written for the run, by either side, and not read.

        What was mapped stays valid.
        """
        if self._folder is not None:
            self._folder.retire(self._label)


_folder: SharedFolder | None = None
_lock = threading.Lock()


def machine_values(label: str, limit: int | None) -> SharedValues:
    """Return where an engine keeps values of a run for all engines of its machine.

    For machines that do not share the session's memory. The folder is the engine's own, and goes
    with it.
    """
    return SharedValues(session_folder(limit), label)


def session_folder(limit: int | None = None) -> SharedFolder | None:
    """Return this process' folder in shared memory, made at the first call.

    Folders of processes that have ended without removing theirs are removed first.

    Parameters
    ----------
    limit : int or None
        The largest value, in bytes, that may be written; None: what there is room for.

    Returns
    -------
    SharedFolder or None
        None where there is no shared memory.
    """
    global _folder
    with _lock:
        if _folder is not None and (_folder.owner != os.getpid() or not _folder.exists()):
            _folder = None  # a forked child; or the system has removed it at a logout
        if _folder is None:
            remove_abandoned()
            _folder = SharedFolder.create()
            if _folder is not None:
                atexit.register(_folder.remove)
        if _folder is not None:
            _folder.limit = limit
            _folder.sweep()
        return _folder
