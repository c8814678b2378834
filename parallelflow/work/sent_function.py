"""A run's function on its way to engines: in messages, or once for a machine in shared memory.

On this machine it is a file of the session's folder. On another one the first engine gets it in a
message and keeps it in shared memory; the others map that.
"""

from __future__ import annotations

from collections.abc import Sequence

from parallelflow.data.parcel import Frame, Packing
from parallelflow.data.shared_folder import SharedFolder
from parallelflow.data.shared_values import SHARED_BYTES, SharedValues, session_folder
from parallelflow.settings import settings

from .worker import Worker, WorkerState

__all__ = ["SentFunction", "shared_values_of"]

# States of an engine that may have, or be about to have, what it was told to keep.
KEEPING = (WorkerState.SETTING_UP, WorkerState.READY, WorkerState.EXCLUDED)


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
        # The engine that is to keep it, or keeps it, of each other machine.
        self._keepers: dict[str, Worker] = {}

    def set_up(self, worker: Worker) -> None:
        """Send it to an engine; later, where another engine of its machine is getting it."""
        if worker.shares_memory:
            self._send(worker, self._frames_of_all())
        elif self._packing.nbytes < SHARED_BYTES or not (worker.machine and worker.shares_copy):
            self._send(worker, self._packing.frames())
        else:
            self._send_once_for_machine(worker)

    def _send_once_for_machine(self, worker: Worker) -> None:
        keeper = self._keepers.get(worker.machine)
        usable = keeper is not None and keeper.state in KEEPING and not keeper.is_late
        if keeper is None or keeper is worker or not usable:
            self._keepers[worker.machine] = worker
            self._send(worker, self._packing.frames(), keep=True)
        elif keeper.state is WorkerState.SETTING_UP:
            worker.awaits_copy = True
        else:
            kept = keeper.info.get("kept")
            self._send(worker, [kept] if kept else self._packing.frames())

    def _send(self, worker: Worker, frames: Sequence[Frame], keep: bool = False) -> None:
        worker.set_up(self.key, self._state, self._shared.offer, keep, frames)

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
