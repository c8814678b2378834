"""Values as they travel between client and engines.

Used on both sides. Standard library only, with cloudpickle for what pickle cannot
take (lambdas, closures, classes of a notebook).
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

from parallelflow.data.parcel import Frame, Packing, layout_of, unpack_own
from parallelflow.data.parcel import unpack as load
from parallelflow.system.collection import no_collection

__all__ = ["Frame", "Pickled", "dump", "load", "no_collection", "pack", "travelled", "unpack_own"]

# Pickles with these in them are made with more care: a name in __main__ means something else on an
# engine, so such objects go by value; and of the objects of these modules pickle makes copies that
# look well and are not (see `pickler`).
CAREFUL = (b"__main__", b"multiprocessing.connection", b"tempfile")


def pack(value: Any) -> Packing:
    """Return a value pickled, for a message or for shared memory.

    Parameters
    ----------
    value : object
        Anything that pickle or cloudpickle takes.

    Raises
    ------
    Exception
        Whatever the value's own pickling raises.
    """
    return Packing(value, _careful_pickler, CAREFUL)


def dump(value: Any) -> list[Frame]:
    """Return a value as the frames of a message; as `pack`."""
    return pack(value).frames()


def travelled(frames: Sequence[Any]) -> int:
    """Return how many bytes a message's frames carry, in themselves or in a file."""
    layout = layout_of(frames)
    if layout is not None and layout.file is not None:
        return layout.file.nbytes
    return sum(memoryview(frame).nbytes for frame in frames)


def _careful_pickler() -> Any:
    from .pickler import Pickler

    return Pickler


class Pickled:
    """A value as it was at one moment; unpickled, it is the value itself.

    Parameters
    ----------
    value : object
        Anything that `dump` takes.

    Attributes
    ----------
    nbytes : int
        How many bytes it takes.

    Raises
    ------
    Exception
        Whatever the value's own pickling raises.
    """

    def __init__(self, value: Any) -> None:
        # Not bytes: what becomes of read-only buffers cannot be written to.
        self._frames = [bytearray(frame) for frame in dump(value)]
        self.nbytes = sum(map(len, self._frames))

    @property
    def value(self) -> Any:
        """A copy of the value."""
        return load(self._frames)

    def __reduce__(self) -> Any:
        # Large buffers stay out of the pickle that this becomes part of.
        return unpack_own, ([pickle.PickleBuffer(frame) for frame in self._frames],)
