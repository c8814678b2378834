"""A run's elements as rows, made when they are looked at."""

from __future__ import annotations

import enum
import functools
import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from parallelflow.engine.remote_failure import short
from parallelflow.progress import Progress
from parallelflow.trace import ChunkTrace

__all__ = ["COLUMNS", "ElementState", "Row", "RunTable"]

#: What rows can be sorted by, in the order in which they are shown.
COLUMNS = (
    "index", "state", "input", "engine", "host", "start", "seconds", "memory",
    "attempt", "message",
)  # fmt: skip


class ElementState(enum.Enum):
    """Where an element stands; the value is what the user reads."""

    WAITING = "waiting"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    KNOWN = "known before"
    SESSION = "done in the session"
    NOT_RUN = "not run"


STATES = list(ElementState)


@dataclass(frozen=True)
class Row:
    """One element.

    Attributes
    ----------
    index : int
        Its index in the list.
    state : ElementState
        Where it stands.
    engine : int or None
        The engine that has it or had it.
    host : str
        That engine's machine.
    start : float or None
        When it began, seconds since the epoch.
    seconds : float or None
        How long it took.
    memory : int or None
        The most memory that the engine's process had meanwhile, bytes.
    attempt : int
        How often it was sent; 0 if never.
    message : str
        Why it failed.
    """

    index: int
    state: ElementState
    engine: int | None = None
    host: str = ""
    start: float | None = None
    seconds: float | None = None
    memory: int | None = None
    attempt: int = 0
    message: str = ""


class RunTable:
    """The elements of a run.

    Parameters
    ----------
    progress : Progress
        The run's; may go on.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._trace = progress.trace
        self._chunks: list[ChunkTrace] = []
        self._starts: list[int] = []
        self._repeated: dict[int, ChunkTrace] = {}
        self._read = 0

    def __len__(self) -> int:
        return self.progress.total

    def refresh(self) -> bool:
        """Read what has come back since; return whether anything has."""
        new = self._trace.chunks[self._read :]
        self._read += len(new)
        for chunk in new:
            if chunk.attempt > 1 and chunk.count == 1:
                self._repeated[chunk.start] = chunk
                continue
            if self._starts and chunk.start < self._starts[-1]:
                place = bisect_right(self._starts, chunk.start)
                self._starts.insert(place, chunk.start)
                self._chunks.insert(place, chunk)
            else:
                self._starts.append(chunk.start)
                self._chunks.append(chunk)
        return bool(new)

    @property
    def chunks(self) -> Sequence[ChunkTrace]:
        """What has come back, in the order in which it came."""
        return self._trace.chunks[: self._read]

    def _chunk_of(self, index: int) -> ChunkTrace | None:
        if index in self._repeated:
            return self._repeated[index]
        place = bisect_right(self._starts, index) - 1
        if place < 0:
            return None
        chunk = self._chunks[place]
        return chunk if index < chunk.start + chunk.count else None

    def row(self, index: int) -> Row:
        """Return an element's row."""
        failure = self._trace.failures.get(index)
        chunk = self._chunk_of(index)
        if failure is not None:
            start, seconds = _times(chunk, index)
            return Row(
                index,
                ElementState.FAILED,
                failure.engine,
                failure.host or "",
                start,
                seconds,
                chunk.peak(index) if chunk is not None else None,
                chunk.attempt if chunk is not None else int(failure.engine is not None),
                failure.error,
            )
        if chunk is not None:
            start, seconds = _times(chunk, index)
            memory, done = chunk.peak(index), ElementState.DONE
            where = chunk.engine, chunk.host
            return Row(index, done, *where, start, seconds, memory, chunk.attempt)
        if index in self._trace.known:
            return Row(index, ElementState.KNOWN)
        for sent in self._trace.sent():
            if sent.start <= index < sent.start + sent.count:
                state = ElementState.RUNNING if sent.running else ElementState.SENT
                return Row(index, state, sent.engine, sent.host, attempt=1)
        return Row(index, self._left)

    @property
    def _left(self) -> ElementState:
        """What is true of elements that no engine has or had."""
        state = self.progress.state
        if not state.is_finished:
            return ElementState.WAITING
        return ElementState.SESSION if state.value == "done" else ElementState.NOT_RUN

    def shown_input(self, index: int) -> str:
        """Return an element's input as text; empty if it is not known any more."""
        failure = self._trace.failures.get(index)
        if failure is not None:
            return str(failure.input)
        if self._trace.element_of is None:
            return ""
        try:
            return short(self._trace.element_of(index))
        except Exception as e:
            return f"<cannot be shown: {type(e).__name__}>"

    # -- all of them, by columns ----------------------------------------------------------

    def seconds(self) -> array[float]:
        """Return how long each element took, NaN where that is not known."""
        found = array("d", [math.nan]) * len(self)
        for chunk in (*self._chunks, *self._repeated.values()):
            end = min(chunk.start + chunk.count, len(found))
            found[chunk.start : end] = array("d", chunk.seconds[: end - chunk.start])
        return found

    def states(self) -> bytearray:
        """Return each element's state, as its position in `STATES`."""
        found = bytearray([STATES.index(self._left)]) * len(self)
        for index in self._trace.known:
            found[index] = STATES.index(ElementState.KNOWN)
        for sent in self._trace.sent():
            state = ElementState.RUNNING if sent.running else ElementState.SENT
            found[sent.start : sent.start + sent.count] = bytes([STATES.index(state)]) * sent.count
        done = STATES.index(ElementState.DONE)
        for chunk in self._chunks:
            found[chunk.start : chunk.start + chunk.count] = bytes([done]) * chunk.count
        for index in self._repeated:
            found[index] = done
        for index in self._trace.failures:
            found[index] = STATES.index(ElementState.FAILED)
        return found

    def _column(self, name: str) -> list[Any]:
        """Return a column's values, None where there is none."""
        values: list[Any] = [None] * len(self)
        for chunk in (*self._chunks, *self._repeated.values()) if name != "message" else ():
            end = chunk.start + chunk.count
            if name == "start":
                values[chunk.start : end] = list(accumulate(chunk.seconds, initial=chunk.started))[
                    :-1
                ]
            elif name == "memory":
                peaks = [peak or None for count, peak in chunk.peaks for _ in range(count)]
                peaks += [None] * (chunk.count - len(peaks))
                values[chunk.start : end] = peaks[: chunk.count]
            else:
                values[chunk.start : end] = [getattr(chunk, name)] * chunk.count
        for index in self._trace.failures:
            values[index] = getattr(self.row(index), name)
        return values

    def order(
        self, column: str = "index", descending: bool = False, state: ElementState | None = None
    ) -> Sequence[int]:
        """Return the elements' indices, sorted by a column, those in a state only.

        Parameters
        ----------
        column : str
            One of `COLUMNS`. Elements without a value come last, either way.
        descending : bool
            Whether the largest comes first.
        state : ElementState, optional
            All of them if not given.
        """
        chosen: Sequence[int] = range(len(self))
        if state is ElementState.FAILED:
            chosen = sorted(self._trace.failures)
        elif state is not None:
            code = STATES.index(state)
            chosen = [index for index, found in enumerate(self.states()) if found == code]
        if column == "index":
            return chosen[::-1] if descending else chosen
        if column == "seconds":
            seconds = self.seconds()
            known = [i for i in chosen if seconds[i] == seconds[i]]
            known.sort(key=seconds.__getitem__, reverse=descending)
            return known + [i for i in chosen if seconds[i] != seconds[i]]
        if column == "state":
            return sorted(chosen, key=self.states().__getitem__, reverse=descending)
        if column == "input":
            return sorted(chosen, key=self.shown_input, reverse=descending)
        whole = self._column(column)
        values = [whole[index] for index in chosen]
        known = [place for place, value in enumerate(values) if value not in (None, "")]
        known.sort(key=values.__getitem__, reverse=descending)
        rest = [place for place, value in enumerate(values) if value in (None, "")]
        return [chosen[place] for place in (*known, *rest)]


@functools.lru_cache(maxsize=8)  # a screen of rows is of a few chunks
def _begins(chunk: ChunkTrace) -> list[float]:
    """Return when each element of a chunk began."""
    return list(accumulate(chunk.seconds, initial=chunk.started))


def _times(chunk: ChunkTrace | None, index: int) -> tuple[float | None, float | None]:
    """Return when an element of a chunk began, and how long it took."""
    if chunk is None:
        return None, None
    place = index - chunk.start
    return _begins(chunk)[place], chunk.seconds[place]
