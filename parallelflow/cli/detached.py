"""Whether this process is that of a run without a terminal, and what it notes of itself."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from parallelflow.runs.detached import DetachedRun

from .progress import ProgressDisplay

__all__ = [
    "CONTINUED",
    "STARTED",
    "be",
    "continues",
    "engines_left",
    "is_detached",
    "note_checked",
    "number",
    "progress_display",
]

STARTED = b"started\n"
"""What the process says to the one that began it, before it writes into its files."""

CONTINUED = "--continued"
"""Its argument for a run that was begun at a terminal; the record of its engines follows."""

_run: DetachedRun | None = None
_continues = False
_engines_left: Path | None = None


def be(run: DetachedRun, continues: bool = False, engines: Path | None = None) -> None:
    """Note that this process is that of a run.

    Parameters
    ----------
    run : DetachedRun
        The run.
    continues : bool
        Whether it was begun at a terminal.
    engines : Path, optional
        The record of the engines that were left for it.
    """
    global _run, _continues, _engines_left
    _run, _continues, _engines_left = run, continues, engines


def continues() -> bool:
    """Return True if this process goes on with a run that was begun at a terminal."""
    return _continues


def engines_left() -> Path | None:
    """Return the record of the engines that were left for this run, None if there are none."""
    return _engines_left


def is_detached() -> bool:
    """Return True if this process is that of a run without a terminal."""
    return _run is not None


def number() -> int:
    """Return the number of the run that this process is; 0 at a terminal."""
    return 0 if _run is None else _run.number


def progress_display(options: Namespace, unit: str = "elements") -> ProgressDisplay:
    """Return the display of this command's progress.

    Without a terminal it shows messages only: who looks at the run reads the progress from a file.

    Parameters
    ----------
    options : Namespace
        The command's.
    unit : str
        What is counted, in the plural.
    """
    return ProgressDisplay(sys.stderr, unit, options, progress=_run is None)


def note_checked(unit: str = "elements") -> None:
    """Note that the file and the arguments are right: whoever began this process need not wait.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    """
    global _run
    if _run is not None:
        _run = replace(_run, unit=unit, checked=True)
        with contextlib.suppress(OSError):  # whoever waits sees that the process goes on
            _run.write()
