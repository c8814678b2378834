"""Objects as frames: one pickle and the large buffers beside it, without copies.

Used on both sides. Standard library only, with cloudpickle for what pickle cannot
take (lambdas, closures, classes of a notebook).
"""

from __future__ import annotations

import contextlib
import gc
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["Frozen", "dump", "load", "no_collection"]

# A buffer below this travels inside the pickle: as a frame of its own it would cost more
# in messages than its copy does (ipyparallel draws the line at 1 024 bytes, too).
BUFFER_BYTES = 16_384
# ipyparallel's serialisation looks into sequences of fewer than 64 items only
# (its MAX_ITEMS); longer ones would be copied into one pickle.
MAX_FRAMES = 60

# Pickles with these in them are made with more care: a name in __main__ means something else on an
# engine, so such objects go by value; and of the objects of these modules pickle makes copies that
# look well and are not (see `pickler`).
CAREFUL = (b"__main__", b"multiprocessing.connection", b"tempfile")

Frame = bytes | memoryview


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while very many objects are made that stay.

    It would look at all of them again and again: half of the time of reading a large pickle.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@no_collection()
def dump(value: Any) -> list[Frame]:
    """Return a value as frames.

    Parameters
    ----------
    value : object
        Anything that pickle or cloudpickle takes.

    Returns
    -------
    list of bytes or memoryview
        The pickle first, then at most `MAX_FRAMES` buffers that share the value's memory:
        it must not change until the frames have been sent.

    Raises
    ------
    Exception
        Whatever the value's own pickling raises.
    """
    buffers: list[pickle.PickleBuffer] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous: pickle makes a contiguous copy
            return True
        if raw.nbytes < BUFFER_BYTES or len(buffers) >= MAX_FRAMES:
            return True
        buffers.append(buffer)
        return False

    try:
        data = pickle.dumps(value, protocol=5, buffer_callback=keep_in_band)
        careful = any(word in data for word in CAREFUL)
    except Exception:
        careful = True
    if careful:
        from . import pickler

        buffers.clear()
        data = pickler.dumps(value, buffer_callback=keep_in_band)
    return [data, *(buffer.raw() for buffer in buffers)]


@no_collection()
def load(frames: Sequence[Frame]) -> Any:
    """Return the value of frames that `dump` made.

    Arrays are writable as the originals were: each buffer is copied once into memory
    of its own, since received messages are read-only.

    Raises
    ------
    Exception
        Whatever the value's own unpickling raises, e.g. a missing module.
    """
    return pickle.loads(frames[0], buffers=[bytearray(frame) for frame in frames[1:]])


class Frozen:
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
        self._frames = [bytes(frame) for frame in dump(value)]
        self.nbytes = sum(map(len, self._frames))

    @property
    def value(self) -> Any:
        """A copy of the value."""
        return load(self._frames)

    def __reduce__(self) -> Any:
        # Large buffers stay out of the pickle that this becomes part of.
        return load, ([pickle.PickleBuffer(frame) for frame in self._frames],)
