"""The checkpoint of one run: what an earlier one has left, and what this one leaves."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import socket
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO, Any

from parallelflow.engine import payload
from parallelflow.settings import settings
from parallelflow.system.safe_files import UnusableFile

from . import folder
from .content import PLAIN, content_digest, files_in
from .folder import Kept
from .identity import RunIdentity, difference
from .records import header_record, read_records, record
from .writer import Writer

__all__ = ["Checkpoint"]

# A run that ends sooner, in whatever way, is computed again: no file is made for it.
LEAST_SECONDS = 1.0

# A large value is kept if to compute it again takes longer than to write it to a disk of this
# speed; what is not large is kept in any case.
DISK_BYTES_PER_SECOND = 100e6
LARGE_BYTES = 1_000_000

# How the folders of VisTrails' temporary files are called.
POOL_PREFIX = "vt_tmp"

# How long records are made at a time, and of how many elements before the clock is read again:
# engines are not to wait, and a window's event loop turns in between.
RECORD_SECONDS, PIECE = 0.02, 500

Tell = Callable[[str], object]

_Values = tuple[int, range, Sequence[Any], Collection[int], Sequence[float] | None]
"""What `Checkpoint.add` was given, and which positions of it."""


class Checkpoint:
    """Keeps the finished elements of a run on disk until the run ends well.

    Parameters
    ----------
    identity : RunIdentity
        What the run is.
    elements : sequence
        The elements.
    tell : callable
        Called with lines that the user should see; from any thread.
    at_once : bool
        Whether values may be changed once they have come, so that a record is made of each at once;
        else not before the run has taken `LEAST_SECONDS`.
    """

    def __init__(
        self, identity: RunIdentity, elements: Sequence[Any], tell: Tell, at_once: bool = False
    ) -> None:
        self._identity = identity
        self._elements = elements
        self._tell = tell
        self._digests: dict[int, bytes] = {}
        self._begun = time.time()
        self._due = time.monotonic() + LEAST_SECONDS
        self._at_once = at_once
        self._unrecorded: deque[_Values] = deque()
        self._waiting: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._path: Any = None
        self._writer: Writer | None = None
        self._broken = self._closed = False
        self._unkept = self._cheap = 0
        self._known: set[int] = set()
        for index, element in enumerate(elements):
            # What a file has now is what its element is computed from.
            if type(element) not in PLAIN and next(files_in(element), None) is not None:
                self._digest(index)

    # -- what an earlier run has left -----------------------------------------------------

    def take(self) -> dict[int, Any]:
        """Return the values of an earlier run of the same function, by index, and go on with it.

        One line tells it, or why an earlier run of the same place does not fit.
        """
        known = settings()
        for line in folder.prune(known.checkpointMegabytes, known.checkpointDays):
            self._tell(line)
        if not known.resume:
            return {}
        reason = ""
        for kept in reversed(folder.list_kept()):
            if not kept.header:
                folder.remove(kept)  # its session has ended before it had written anything
                continue
            why = difference(self._identity.parts, kept.parts)
            if why:
                if kept.place == self._identity.place and not reason:
                    reason = f"not resuming the run of {folder.when(kept.begun)}: {why}"
                continue
            values = self._go_on_with(kept)
            if values is None:
                pid = kept.header.get("pid")
                reason = (
                    f"not resuming the run of {folder.when(kept.begun)}: another session (process "
                    f"{pid}) is at work at it"
                )
            elif values:
                total = len(self._elements)
                self._tell(
                    f"resuming the run of {folder.when(kept.begun)}: {_number(len(values))} of "
                    f"{_number(total)} elements are done (parallelflow checkpoints shows them; "
                    f"{self._identity.otherwise})"
                )
                return values
        if reason:
            self._tell(reason)
        return {}

    def _go_on_with(self, kept: Kept) -> dict[int, Any] | None:
        """Return a checkpoint's values, and write to it from now on; None if it is in use."""
        try:
            file = folder.open_locked(kept.path)
        except (OSError, UnusableFile):
            return {}
        if file is None:
            return None
        values = self._read(file)
        if not values:
            file.close()
            return {}
        self._known = set(values)
        self._file, self._path = file, kept.path
        file.seek(0, os.SEEK_END)
        return values

    def _read(self, file: IO[bytes]) -> dict[int, Any]:
        places: dict[bytes, list[int]] = defaultdict(list)
        for index in range(len(self._elements)):
            digest = self._digest(index)
            if digest is not None:
                places[digest].append(index)
        for indices in places.values():
            indices.reverse()
        values: dict[int, Any] = {}
        file.seek(0)
        for digest, frames in read_records(file):
            if not places.get(digest):
                continue
            try:
                value = payload.unpack_own(frames)
            except Exception:  # its class has changed: it is computed again
                continue
            if all(Path(path).exists() for path in files_in(value)):
                values[places[digest].pop()] = value
        return values

    def _digest(self, index: int) -> bytes | None:
        digest = self._digests.get(index)
        if digest is None:
            try:
                digest = content_digest(self._elements[index])
            except Exception:
                return None
            self._digests[index] = digest
        return digest

    # -- what this one leaves -------------------------------------------------------------

    def add(
        self,
        start: int,
        values: Sequence[Any],
        without: Collection[int] = (),
        seconds: Sequence[float] | None = None,
    ) -> None:
        """Keep the values of elements that have finished.

        Parameters
        ----------
        start : int
            The first one's index.
        values : sequence
            Their values.
        without : collection of int
            Positions of those that have no value.
        seconds : sequence of float, optional
            How long each has taken, seconds. Large values of quick elements are not kept: they are
            sooner computed again.
        """
        if self._broken:
            return
        for first in range(0, len(values), PIECE):
            positions = range(first, min(first + PIECE, len(values)))
            self._unrecorded.append((start, positions, values, without, seconds))
        if self._at_once:
            self._make_records()

    def _make_piece(
        self,
        start: int,
        positions: range,
        values: Sequence[Any],
        without: Collection[int],
        seconds: Sequence[float] | None,
    ) -> None:
        for position in positions:
            if position not in without and start + position not in self._known:
                least = seconds[position] * DISK_BYTES_PER_SECOND if seconds else math.inf
                self._record(start + position, values[position], max(least, LARGE_BYTES))

    def _make_records(self, seconds: float = math.inf) -> None:
        """Make records of what has come, for so long at most."""
        end = time.monotonic() + seconds
        while self._unrecorded:
            self._make_piece(*self._unrecorded.popleft())
            if time.monotonic() >= end:
                return

    def tick(self) -> None:
        """Write what waits if it is time to; to be called often."""
        if time.monotonic() >= self._due:
            self._make_records(RECORD_SECONDS)
            self._flush()
            self._tell_failure()

    def _tell_what_is_not_kept(self) -> None:
        total = _number(len(self._elements))
        for count, why in (
            (self._unkept, "they, or their values, cannot be compared or kept"),
            (self._cheap, "their values take longer to write than to compute"),
        ):
            if count:
                self._tell(f"not in the checkpoint: {_number(count)} of {total} elements; {why}")

    def _tell_failure(self) -> None:
        if self._writer is not None and self._writer.failure and not self._broken:
            self._broken = True
            self._tell(self._writer.failure)

    def _record(self, index: int, value: Any, most_bytes: float) -> None:
        """Make the record of an element; count why, where there is to be none."""
        plain = type(value) in PLAIN
        if type(value) in (bytes, str) and len(value) > most_bytes:
            self._cheap += 1
            return
        frames: Sequence[Any] | None = None
        digest = self._digest(index)
        if plain:
            frames = [pickle.dumps(value, pickle.HIGHEST_PROTOCOL)]
        elif digest is not None and not any(map(_is_temporary, files_in(value))):
            with contextlib.suppress(Exception):
                packing = payload.pack(value)
                if packing.nbytes > most_bytes:
                    self._cheap += 1
                    return
                frames = packing.frames()
        if digest is None or frames is None:
            self._unkept += 1
            return
        self._waiting.append(record(digest, frames))

    def _flush(self) -> None:
        """Give what waits to the writer, which is made at the first time."""
        if not self._waiting or self._broken:
            return
        if self._writer is None and not self._open():
            return
        assert self._writer is not None
        data = b"".join(self._waiting)
        self._waiting = []
        self._writer.add(data)

    def _open(self) -> bool:
        megabytes = settings().checkpointMegabytes
        try:
            if self._file is None:
                self._path = folder.new_path()
                self._file = folder.open_locked(self._path)
                self._waiting.insert(0, header_record(self._header()))
            room = None
            if megabytes:
                used = sum(each.size for each in folder.list_kept())
                room = max(megabytes * folder.MEGABYTE - used, 0)
            assert self._file is not None
            self._writer = Writer(self._file, room)
        except (OSError, UnusableFile) as e:
            self._broken = True
            self._tell(f"no checkpoint is kept of this run: {e}")
            return False
        return True

    def _header(self) -> dict[str, Any]:
        return {
            "place": self._identity.place,
            "label": self._identity.label,
            "file": self._identity.file,
            "parts": dict(self._identity.parts),
            "total": len(self._elements),
            "begun": self._begun,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }

    def close(self, finished: bool) -> None:
        """End it: what the run has left stays if it has not ended well.

        Parameters
        ----------
        finished : bool
            Whether the run has ended well; nothing stays then.
        """
        if self._closed:
            return
        self._closed = True
        if not finished:
            self._make_records()
            self._tell_what_is_not_kept()
            self._flush()
        if self._writer is not None:
            self._writer.close()
            self._tell_failure()
        elif self._file is not None:
            self._file.close()
        self._broken, self._waiting = True, []
        self._unrecorded.clear()
        if finished:
            for kept in folder.list_kept():
                if not difference(self._identity.parts, kept.parts):
                    folder.remove(kept)


def _number(value: int) -> str:
    """Return a number with spaces between thousands."""
    return f"{value:,}".replace(",", " ")


def _is_temporary(path: str) -> bool:
    """Return True if a file goes when its session ends."""
    return any(parent.name.startswith(POOL_PREFIX) for parent in Path(path).parents)
