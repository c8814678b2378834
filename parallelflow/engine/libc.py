"""The C library's own buffer of stdout, which C code writes into."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["flush_stdout"]

# Of <stdio.h>: a line is written when it is complete.
_IOLBF = 1
# How the C libraries of Linux and macOS call it.
NAMES = ("stdout", "__stdoutp")


def _nothing() -> None:
    pass


def _make() -> Callable[[], object]:
    """Return the function that writes out what is buffered; lines are written at once from now."""
    try:
        import ctypes

        library = ctypes.CDLL(None)
        for name in NAMES:
            if hasattr(library, name):
                stream = ctypes.c_void_p.in_dll(library, name)
                library.setvbuf(stream, None, _IOLBF, ctypes.c_size_t(0))
                flush = library.fflush
                return lambda: flush(stream)
    except Exception:  # another system: C code's output comes when its buffer is full
        pass
    return _nothing


_flush: Callable[[], object] | None = None


def flush_stdout() -> None:
    """Write out what C code of this process has written to stdout.

    Not all streams, as C's ``fflush(NULL)`` does: that waits for whoever reads from one.
    """
    global _flush
    if _flush is None:
        _flush = _make()
    _flush()
