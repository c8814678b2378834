"""The command's messages on standard error, and those of the logging module."""

from __future__ import annotations

import logging
import sys

from .progress import ProgressDisplay

__all__ = ["configure", "tell"]


def tell(text: str) -> None:
    """Say something to the user on standard error.

    Parameters
    ----------
    text : str
        A line; it is marked as the command's, unless it is indented.
    """
    print(text if text.startswith(" ") else f"parallelflow: {text}", file=sys.stderr)


class _Handler(logging.Handler):
    """Shows log records above the progress bar."""

    def __init__(self, display: ProgressDisplay) -> None:
        super().__init__()
        self.display = display

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record's message in one line or more, without its time and origin."""
        try:
            self.display.message(record.getMessage())
        except Exception:
            self.handleError(record)


def configure(display: ProgressDisplay, verbose: bool) -> None:
    """Show our warnings, and VisTrails' own messages if they are asked for.

    Parameters
    ----------
    display : ProgressDisplay
        Where they are shown.
    verbose : bool
        Whether VisTrails' messages and our informations are shown, too.
    """
    ours = logging.getLogger("parallelflow")
    ours.handlers = [_Handler(display)]
    ours.propagate = False
    ours.setLevel(logging.INFO if verbose else logging.WARNING)
    theirs = logging.getLogger("vistrails")
    theirs.handlers = [_Handler(display)] if verbose else [logging.NullHandler()]
    theirs.propagate = False
