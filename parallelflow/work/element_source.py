"""Where a run's elements come from."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sized
from itertools import islice
from typing import Any

from parallelflow.engine.payload import Pickled

from .chunks import Chunk

__all__ = ["ElementSource"]

# Elements of these types are as large as nothing.
SMALL = (int, float, bool, complex, type(None))
# An iterator may take its time for each element: engines, and whoever waits, get what there is.
READ_SECONDS = 0.03


class ElementSource:
    """The elements of a run, taken in order as they are needed.

    Parameters
    ----------
    elements : iterable
        A list, or anything that gives its elements one by one. Of what does not know its
        length, each element is taken as it is at that moment, and so are a few only if making
        them takes long, or if they are large.
    finished : collection of int
        Indices to pass over.

    Attributes
    ----------
    total : int or None
        How many there are; None if unknown.
    taken : int
        How many were taken, or passed over.
    error : Exception or None
        What making an element has raised; no more are taken then.
    """

    def __init__(self, elements: Iterable[Any], finished: Collection[int] = ()) -> None:
        self._iterator = iter(elements)
        self._finished = finished
        self._last_finished = max(finished, default=-1)
        self.total = len(elements) if isinstance(elements, Sized) else None
        self.taken = 0
        self.closed = False
        self.error: Exception | None = None

    @property
    def left(self) -> int | None:
        """How many elements have not been taken; None if unknown."""
        if self.closed:
            return 0
        return None if self.total is None else self.total - self.taken

    def take(self, count: int, most_bytes: float = math.inf) -> Chunk | None:
        """Return the next elements, None after the last one.

        Parameters
        ----------
        count : int
            How many; fewer at the end.
        most_bytes : float
            No more elements are read once those read have so many bytes.
        """
        count = min(count, sys.maxsize if self.total is None else self.total - self.taken)
        if self._finished:
            while not self.closed and self.taken in self._finished:
                next(self._iterator, None)
                self.taken += 1
            end = min(self.taken + count, self._last_finished + 1)
            upto = (i for i in range(self.taken, end) if i in self._finished)
            count = next(upto, self.taken + count) - self.taken
        elements = [] if self.closed else self._read(count, most_bytes)
        if not elements:
            self.closed = True
            return None
        chunk = Chunk(self.taken, elements)
        self.taken += len(elements)
        return chunk

    def _read(self, count: int, most_bytes: float) -> list[Any]:
        if self.total is not None:
            return list(_up_to(islice(self._iterator, count), most_bytes))
        found: list[Any] = []
        end = time.monotonic() + READ_SECONDS
        try:
            for element in _up_to(map(_pickled, islice(self._iterator, count)), most_bytes):
                found.append(element)
                if time.monotonic() > end:
                    break
        except Exception as e:
            self.error = e
            self.close()
        return found

    def close(self) -> None:
        """Give no more."""
        self.closed = True


def _up_to(elements: Iterator[Any], most_bytes: float) -> Iterator[Any]:
    """Yield elements until they have so many bytes: each may be all that memory has room for."""
    nbytes = 0
    for element in elements:
        yield element
        if type(element) in SMALL:
            continue
        nbytes += _nbytes(element)
        if nbytes >= most_bytes:
            return


def _nbytes(element: Any) -> int:
    """Return about how many bytes an element takes; what it refers to is not counted."""
    if isinstance(element, Pickled):
        return element.nbytes
    if isinstance(element, tuple):
        return sum(_nbytes_of_part(part) for part in element if type(part) not in SMALL)
    return _nbytes_of_part(element)


def _nbytes_of_part(part: Any) -> int:
    try:
        # Of an array over a file, or over another one's memory, the size is a hundred bytes.
        own = int(part.nbytes) if hasattr(type(part), "nbytes") else 0
        return max(own, sys.getsizeof(part))
    except Exception:  # of its own __sizeof__
        return 0


def _pickled(element: Any) -> Any:
    """Return an element as it is now: who makes them one by one may use one object for all."""
    try:
        return Pickled(element)
    except (Exception, SystemExit):  # its own failure, when it is sent
        return element
