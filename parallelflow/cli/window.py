"""``parallelflow gui``: VisTrails' window."""

from __future__ import annotations

from argparse import Namespace

from parallelflow.errors import NoVistrail

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
        arguments.append(_as_vistrails_takes_it(wanted))
    from parallelflow.host import run_window

    return run_window(arguments)


def _as_vistrails_takes_it(wanted: target.Target) -> str:
    """Return FILE[:VERSION] for VisTrails, which takes what begins with a dash for an option.

    Raises
    ------
    NoVistrail
        If VisTrails would take a part of the file's name for the version.
    """
    path = str(wanted.path.absolute())
    if wanted.version is None:
        return path
    if ":" in path:
        raise NoVistrail(
            str(wanted.path),
            "VisTrails' window opens a version only where there is no colon in the names of the "
            "file and its folders; open it without a version",
        )
    return f"{path}:{wanted.version}"
