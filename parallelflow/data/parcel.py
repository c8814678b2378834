"""Values as they travel: one pickle, and the large buffers beside it.

Both go in the message, or, between processes of one machine, through a file in shared memory.
Used on both sides. Standard library only.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from parallelflow.system.collection import no_collection

from .shared_file import FileReference, read_buffers

__all__ = ["Frame", "Layout", "Packing", "layout_of", "share_received", "unpack", "unpack_own"]

Frame = bytes | bytearray | memoryview
Store = Callable[[Sequence[Sequence[Frame]]], "FileReference | None"]

# A buffer below this travels inside the pickle: as a frame of its own it would cost more in
# messages than its copy does (ipyparallel draws the line at 1 024 bytes, too).
BUFFER_BYTES = 16_384
# ipyparallel's serialisation looks into sequences of fewer than 64 items only (its MAX_ITEMS);
# longer ones would be copied into one pickle.
MAX_FRAMES = 60
# One frame of an encrypted connection holds less than 2**31 bytes (libzmq's curve mechanism
# counts in int). Far below that, since both ends need the memory of a whole frame once more.
FRAME_BYTES = 1 << 28
# A pickler gives what is longer than 64 KB as a piece of its own; names of modules and classes
# stand in the shorter ones.
NAMES_BYTES = 1 << 18
# Begins a first frame that is no pickle: those begin with 0x80.
MARK = b"layout\n"


class Layout(NamedTuple):
    """Where the parts of a value are, if they are not a pickle and its buffers, a frame each.

    Attributes
    ----------
    file : FileReference or None
        The file that holds pickle and buffers; no other frames follow then.
    sizes : tuple of int
        The sizes of pickle and buffers, bytes, which follow each other in the frames without
        regard to where one ends; empty with a file.
    """

    file: FileReference | None = None
    sizes: tuple[int, ...] = ()


class Packing:
    """A value that has been pickled, before it is known how it travels.

    Parameters
    ----------
    value : object
        Anything that a pickler takes. It must not change until its frames have been sent: they
        share its memory.
    pickler : callable, optional
        Returns the class of the pickler for what Python's own does not take, or takes wrongly.
    names : sequence of bytes
        Where one of these stands in the pickle, Python's own has taken something wrongly.

    Attributes
    ----------
    nbytes : int
        Size of pickle and buffers, bytes.

    Raises
    ------
    Exception
        Whatever the value's own pickling raises.
    """

    def __init__(
        self, value: Any, pickler: Callable[[], Any] | None = None, names: Sequence[bytes] = ()
    ) -> None:
        with no_collection():
            self._pieces, self._buffers = _pickle(value, pickler, names)
        self._sizes = (sum(map(_size, self._pieces)), *map(_size, self._buffers))
        self.nbytes = sum(self._sizes)

    def frames(self) -> list[Frame]:
        """Return what goes into a message.

        Returns
        -------
        list of bytes-like
            Usually the pickle and a frame for each buffer. At most `MAX_FRAMES`, after one that
            says how the others are to be read if they are not that.
        """
        if len(self._sizes) <= MAX_FRAMES and max(self._sizes) <= FRAME_BYTES:
            return [_joined(self._pieces), *self._buffers]
        pieces = chain(self._pieces, self._buffers)
        return [_mark(Layout(None, self._sizes)), *_regroup(pieces, self.nbytes)]

    def shared_frames(self, store: Store) -> list[Frame] | None:
        """Write the value into a file in shared memory; return what goes into a message.

        Parameters
        ----------
        store : callable
            Writes parts, each a sequence of pieces, into a file; returns None where there is no
            room for them.

        Returns
        -------
        list of bytes, or None
            One short frame; None where there was no room.
        """
        file = store([self._pieces, *([buffer] for buffer in self._buffers)])
        return None if file is None else [_mark(Layout(file))]


@no_collection()
def unpack(frames: Sequence[Frame], held: list[Frame] | None = None) -> Any:
    """Return the value of frames that a `Packing` gave.

    It may be written to as the original could be: what is in a file is copied where it is
    written to, what comes in a message once, since received messages are read-only.

    Parameters
    ----------
    frames : sequence of bytes-like
        The frames.
    held : list, optional
        Gets what keeps a file's memory mapped after the value has gone.

    Raises
    ------
    NotShared
        If the value lies in a file that this process does not have.
    Exception
        Whatever the value's own unpickling raises, such as a module that is missing.
    """
    data: Frame = frames[0]
    buffers: Iterable[Frame] = map(bytearray, frames[1:])
    layout = layout_of(frames)
    if layout is not None and layout.file is not None:
        data, *buffers = read_buffers(layout.file)
        if held is not None:
            held.append(data)
    elif layout is not None:
        data, *buffers = map(_copied, _cut(frames[1:], layout.sizes))
    return pickle.loads(data, buffers=buffers)


def share_received(frames: Sequence[Frame], store: Store) -> Frame | None:
    """Write a value that has come in a message into a file in shared memory.

    Parameters
    ----------
    frames : sequence of bytes-like
        What a `Packing` gave.
    store : callable
        As `Packing.shared_frames` has it.

    Returns
    -------
    bytes or None
        The frame from which the value is read here and in other processes of this machine; None
        where there was no room, or if the value lies in a file anyway.
    """
    layout = layout_of(frames)
    if layout is None:
        parts: Iterable[Sequence[Frame]] = ([frame] for frame in frames)
    elif layout.file is None:
        parts = _cut(frames[1:], layout.sizes)
    else:
        return None
    file = store(list(parts))
    return None if file is None else _mark(Layout(file))


@no_collection()
def unpack_own(frames: Sequence[Frame]) -> Any:
    """Return the value of frames that came out of another value, without copies.

    Parameters
    ----------
    frames : sequence of bytes-like
        What a `Packing` gave; each may be written to if the value's own part could be.
    """
    layout = layout_of(frames)
    if layout is not None:
        return unpack(frames)
    return pickle.loads(frames[0], buffers=frames[1:])


def layout_of(frames: Sequence[Frame]) -> Layout | None:
    """Return how frames are to be read, None if they are a pickle and its buffers."""
    if bytes(frames[0][: len(MARK)]) != MARK:
        return None
    layout: Layout = pickle.loads(frames[0][len(MARK) :])
    return layout


def _mark(layout: Layout) -> bytes:
    return MARK + pickle.dumps(layout, protocol=5)


class _Pieces:
    """A file for a pickler that keeps the pieces it is given.

    A pickler gives large bytes, bytearrays and texts as pieces of their own, without a copy.
    """

    __slots__ = ("pieces", "write")

    def __init__(self) -> None:
        self.pieces: list[Frame] = []
        self.write = self.pieces.append


def _pickle(
    value: Any, pickler: Callable[[], Any] | None, names: Sequence[bytes]
) -> tuple[list[Frame], list[memoryview]]:
    """Return a value's pickle in pieces, and the buffers beside it."""
    buffers: list[memoryview] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous: pickle makes a contiguous copy
            return True
        if raw.nbytes < BUFFER_BYTES:
            return True
        buffers.append(raw)
        return False

    file = _Pieces()
    try:
        pickle.Pickler(file, protocol=5, buffer_callback=keep_in_band).dump(value)
    except Exception:
        if pickler is None:
            raise
    else:
        short = [piece for piece in file.pieces if len(piece) <= NAMES_BYTES]
        if pickler is None or not any(name in piece for piece in short for name in names):
            return file.pieces, buffers
    buffers.clear()
    file = _Pieces()
    pickler()(file, protocol=5, buffer_callback=keep_in_band).dump(value)
    return file.pieces, buffers


def _regroup(pieces: Iterable[Frame], total: int) -> list[Frame]:
    """Return pieces as at most `MAX_FRAMES` frames, which may hold several or a part of one."""
    size = max(FRAME_BYTES, -(-total // MAX_FRAMES))
    frames: list[Frame] = []
    waiting: list[memoryview] = []
    room = size
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            waiting.append(rest[:room])
            rest, room = rest[room:], room - waiting[-1].nbytes
            if not room:
                frames.append(_joined(waiting))
                waiting, room = [], size
    if waiting:
        frames.append(_joined(waiting))
    return frames


def _joined(pieces: Sequence[Frame]) -> Frame:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _cut(frames: Sequence[Frame], sizes: Sequence[int]) -> Iterator[list[memoryview]]:
    """Yield the parts of frames that `_regroup` made, each as the pieces that it consists of."""
    rest = iter(frames)
    current = memoryview(b"")
    for size in sizes:
        pieces = []
        missing = size
        while missing:
            if not current:
                current = memoryview(next(rest))
            pieces.append(current[:missing])
            current = current[missing:]
            missing -= pieces[-1].nbytes
        yield pieces


def _copied(pieces: Sequence[memoryview]) -> bytearray:
    """Return pieces as one, in memory of its own."""
    whole = bytearray(sum(piece.nbytes for piece in pieces))
    filled = 0
    for piece in pieces:
        whole[filled : filled + piece.nbytes] = piece
        filled += piece.nbytes
    return whole


def _size(frame: Frame) -> int:
    return frame.nbytes if isinstance(frame, memoryview) else len(frame)
