"""What a running element has written so far, published before it has finished.

Through ipykernel's channel for output. Where there is none, nothing is published, and what was
written arrives with the element's result alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from parallelflow.names import EARLY_OUTPUT

from .plain_process import engine_shell

__all__ = ["EarlyOutput", "Written", "find_channel", "without"]

Segment = tuple[str, str, bytearray]
"""Stream, encoding, and the bytes that were written to it one after the other."""

Written = list[tuple[str, str]]
"""What an element wrote: (``stdout`` or ``stderr``, text), in order."""

Channel = Callable[[dict[str, Any]], object]

# Of a chunk that writes more than this the rest arrives with its result.
MOST_CHARACTERS = 300_000


def find_channel() -> Channel | None:
    """Return what publishes content for the request that this engine is at; None if nothing does.

    To be called in the thread that handles the request.
    """
    kernel: Any = getattr(engine_shell(), "kernel", None)
    try:
        session, socket = kernel.session, kernel.iopub_socket
        topic = kernel._topic("display_data")
        # Without its buffers, which may be large.
        parent = {"header": kernel.get_parent("shell")["header"]}
    except (AttributeError, KeyError, TypeError):
        return None
    return lambda content: session.send(socket, "display_data", content, parent=parent, ident=topic)


class EarlyOutput:
    """Publishes the output of a chunk whose elements run for long; looked after by a thread.

    Parameters
    ----------
    first : int
        Index of the chunk's first element.
    outputs : dict
        What elements have written that have finished, by their positions.
    channel : callable
        As `find_channel` returns it.
    """

    def __init__(self, first: int, outputs: dict[int, Written], channel: Channel) -> None:
        self._first = first
        self._outputs = outputs
        self._channel = channel
        self._position = -1  # of the element at the last look
        self._begin = 0  # position of the first one whose output was not published as a whole
        self._segment = 0  # up to where that of this one was
        self._offset = 0
        self._published = 0
        self._room = MOST_CHARACTERS

    def look(self, position: int, written: Sequence[Segment], at: Callable[[], int]) -> None:
        """Publish what has been written, if the element was there at the last look.

        All of the elements that have finished, and the whole lines of the one that runs.

        Parameters
        ----------
        position : int
            The element's position in the chunk.
        written : sequence of Segment
            What it has written; another thread may add to its end meanwhile.
        at : callable
            Returns the position of the element that is running now.
        """
        if position != self._position:
            self._position = position
            return
        before = list(self._finished(position))
        begin = (0, 0) if before else (self._segment, self._offset)
        segment, offset, lines = _whole_lines(written, *begin)
        published = 0 if before else self._published
        size = sum(len(text) for _, text in lines)
        total = size + sum(len(text) for *_, part, _ in before for _, text in part)
        if not total or at() != position:
            return
        self._room -= total + len(before)
        if self._room < 0:
            return  # nor what follows, which would come without it
        self._channel({EARLY_OUTPUT: [*before, (self._first + position, published, lines, False)]})
        self._begin, self._segment, self._offset = position, segment, offset
        self._published = published + size

    def _finished(self, position: int) -> Iterator[tuple[int, int, Written, bool]]:
        """Yield what is to be published of the elements that have finished since the last time."""
        published = self._published
        for each in range(self._begin, position):
            written = without(self._outputs.get(each, []), published)
            yield self._first + each, published, written, True
            published = 0


def _whole_lines(written: Sequence[Segment], segment: int, offset: int) -> tuple[int, int, Written]:
    """Return up to where the whole lines go that begin at a place, and these."""
    lines: Written = []
    while segment < len(written):
        is_last = segment == len(written) - 1
        stream, encoding, data = written[segment]
        if encoding != "utf-8":  # where a line ends is not known
            break
        content = bytes(data[offset:])
        if is_last:
            content = content[: content.rfind(b"\n") + 1]
        if content:
            lines.append((stream, content.decode("utf-8", "backslashreplace")))
        offset += len(content)
        if is_last:
            break
        segment, offset = segment + 1, 0
    return segment, offset, lines


def without(written: Written, count: int) -> Written:
    """Return what was written without its first `count` characters."""
    rest: Written = []
    for stream, text in written:
        if count < len(text):
            rest.append((stream, text[count:]))
        count = max(count - len(text), 0)
    return rest
