"""How a command shows progress, as its options say."""

from __future__ import annotations

import enum
from argparse import Namespace
from typing import TextIO

from .streams import is_terminal

__all__ = ["MODES", "ProgressMode"]

MODES = ("auto", "bar", "lines", "none")
"""What ``--progress`` takes."""


class ProgressMode(enum.Enum):
    """How progress is shown.

    ``NONE`` shows what happens to a run, such as the loss of an engine; ``QUIET`` does not.
    """

    BAR = "bar"
    LINES = "lines"
    NONE = "none"
    QUIET = "quiet"

    @classmethod
    def of(cls, stream: TextIO, options: Namespace | None = None) -> ProgressMode:
        """Return the mode for a stream.

        Parameters
        ----------
        stream : text file
            Where progress is shown.
        options : Namespace, optional
            With ``progress`` and ``quiet``; the same as ``--progress auto`` if not given.
        """
        if getattr(options, "quiet", False):
            return cls.QUIET
        word = getattr(options, "progress", "auto")
        if word == "auto":
            return cls.BAR if is_terminal(stream) else cls.LINES
        return cls(word)

    @property
    def shows_progress(self) -> bool:
        """Whether progress is shown at all."""
        return self in (ProgressMode.BAR, ProgressMode.LINES)
