"""``parallelflow gui``: VisTrails' window."""

from __future__ import annotations

from argparse import Namespace

from . import target

__all__ = ["open_window"]


def open_window(options: Namespace) -> int:
    """Open VisTrails' window, with a file in it if one was named.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.parser` makes it.

    Returns
    -------
    int
        The window's exit code.

    Raises
    ------
    ParallelFlowError
        If the file cannot be opened, or VisTrails or PyQt5 is missing.
    """
    arguments = []
    if options.file is not None:
        wanted = target.parse(options.file)
        target.read(wanted.path)
        arguments.append(str(wanted))
    from parallelflow.host import run_window

    return run_window(arguments)
