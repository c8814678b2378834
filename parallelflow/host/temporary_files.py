"""VisTrails' own temporary files, kept in a folder that goes with the session."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from .repairs.repair import copy_with_names

__all__ = ["keep_in"]


def keep_in(folder: Path) -> None:
    """Let VisTrails keep in a folder what it unpacks, and the files that modules make.

    It removes what it has unpacked when the vistrail is closed, which one that cannot be opened
    never is, nor any if a signal ends the session.

    Parameters
    ----------
    folder : Path
        The folder. Where the user has configured one for modules' files, these are in that one.
    """
    from vistrails.core.modules import module_utils
    from vistrails.db.services import io

    here = copy_with_names(
        tempfile,
        mkdtemp=functools.partial(tempfile.mkdtemp, dir=folder),
        mkstemp=functools.partial(tempfile.mkstemp, dir=folder),
    )
    io.tempfile = module_utils.tempfile = here
