"""A run's function on its way to engines: in messages, or once for a machine in shared memory."""

from __future__ import annotations

from parallelflow.data.parcel import Frame, Packing
from parallelflow.data.shared_folder import SharedFolder
from parallelflow.data.shared_values import SharedValues, session_folder
from parallelflow.settings import settings

from .worker import Worker

__all__ = ["SentFunction", "shared_values_of"]


class SentFunction:
    """What `parallelflow.engine.runner.setup` is sent.

    Parameters
    ----------
    key : str
        The run's key.
    state : bytes
        The session's state.
    packing : Packing
        The function with its constant inputs.
    shared : SharedValues
        The run's files in shared memory.

    Attributes
    ----------
    key : str
        The run's key.
    """

    def __init__(self, key: str, state: bytes, packing: Packing, shared: SharedValues) -> None:
        self.key = key
        self._state = state
        self._packing = packing
        self._shared = shared
        self._shared_frames: list[Frame] | None = None

    def set_up(self, worker: Worker) -> None:
        """Send it to an engine."""
        frames = self._frames_of_all() if worker.shares_memory else self._packing.frames()
        worker.set_up(self.key, self._state, self._shared.offer, frames)

    def _frames_of_all(self) -> list[Frame]:
        """Return the frames for all engines that share the memory: written once."""
        if self._shared_frames is None:
            self._shared_frames = self._shared.frames(self._packing, one_reader=False)
        return self._shared_frames


def shared_values_of(key: str) -> SharedValues:
    """Return a run's files in shared memory, as the user's settings have it."""
    return SharedValues(_folder(), key)


def _folder() -> SharedFolder | None:
    known = settings()
    if not known.sharedMemory:
        return None
    return session_folder(known.sharedMemoryMegabytes * 2**20 or None)
