"""What elements write to stdout and stderr on an engine, and what they warn of."""

from __future__ import annotations

import io
import sys
import warnings
from collections import Counter
from typing import TextIO

__all__ = ["Capture"]

# An element that writes more than this to one stream has the rest cut off.
MAX_OUTPUT_CHARS = 100_000


class Capture:
    """Collects what elements write to stdout and stderr, by position in the chunk.

    Parameters
    ----------
    outputs : dict
        Filled as `ChunkResult.outputs`.
    """

    def __init__(self, outputs: dict[int, list[tuple[str, str]]]) -> None:
        self.position = 0
        self._outputs = outputs
        self._sizes: Counter[tuple[int, str]] = Counter()

    def __enter__(self) -> Capture:
        global _current
        self._outer, _current = _current, self
        self._saved = sys.stdout, sys.stderr, warnings.showwarning
        sys.stdout, sys.stderr = _streams["stdout"], _streams["stderr"]
        # VisTrails has warnings go to its own log, which nobody reads on an engine.
        warnings.showwarning = self._show_warning
        return self

    def __exit__(self, *_: object) -> None:
        global _current
        sys.stdout, sys.stderr, warnings.showwarning = self._saved
        _current = self._outer

    def _show_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)

    def add(self, stream: str, text: str) -> None:
        """Add text to what the current element has written."""
        room = MAX_OUTPUT_CHARS - self._sizes[self.position, stream]
        self._sizes[self.position, stream] += len(text)
        if room < 0:
            return
        if len(text) > room:
            text = f"{text[:room]}\n[what more was written is cut off]\n"
        written = self._outputs.setdefault(self.position, [])
        if written and written[-1][0] == stream:
            written[-1] = (stream, written[-1][1] + text)
        else:
            written.append((stream, text))


class _Stream(io.TextIOBase):
    """A text stream that writes into the `Capture` of the moment, else into the real one.

    One for the whole process: logging, and whoever else keeps ``sys.stderr``, goes on with it in
    the next chunk.
    """

    encoding = "utf-8"

    def __init__(self, name: str) -> None:
        self._name = name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if _current is not None:
            if text:
                _current.add(self._name, text)
            return len(text)
        real = getattr(sys, self._name)
        real = getattr(sys, f"__{self._name}__") if real is self else real
        return len(text) if real is None else int(real.write(text))


_current: Capture | None = None
_streams = {name: _Stream(name) for name in ("stdout", "stderr")}
