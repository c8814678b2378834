"""How elements' ``sys.stdout`` and ``sys.stderr`` encode text: as the session's streams do."""

from __future__ import annotations

import codecs
import sys

__all__ = ["NAMES", "StreamText", "read_stream_text", "stream_text", "write_stream_text"]

NAMES = ("stdout", "stderr")
# Of a stream that takes any text and encodes none of it, such as a notebook's.
ANY_TEXT = ("utf-8", "backslashreplace")

StreamText = tuple[tuple[str, str], ...]

# What a run has taken from its session; None outside of runs, and in the session itself.
_taken: StreamText | None = None


def read_stream_text() -> StreamText:
    """Return encoding and error handler of each of `NAMES`."""
    return _taken or _own()


def _own() -> StreamText:
    found = []
    for name in NAMES:
        stream = getattr(sys, name)
        encoding, errors = getattr(stream, "encoding", None), getattr(stream, "errors", None)
        known = isinstance(encoding, str) and isinstance(errors, str)
        found.append((str(encoding), str(errors)) if known else ANY_TEXT)
    return tuple(found)


def write_stream_text(value: StreamText) -> None:
    """Let elements' streams encode text otherwise.

    Parameters
    ----------
    value : tuple
        As `read_stream_text` returns it.

    Raises
    ------
    LookupError
        If this process does not know an encoding or an error handler.
    """
    global _taken
    for encoding, errors in value:
        codecs.lookup(encoding)
        codecs.lookup_error(errors)
    _taken = None if value == _own() else value


def stream_text(name: str) -> tuple[str, str]:
    """Return encoding and error handler of one of `NAMES`."""
    return read_stream_text()[NAMES.index(name)]
