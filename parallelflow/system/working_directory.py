"""The session's working directory, which may have been deleted since the session began."""

from __future__ import annotations

from pathlib import Path

from parallelflow.errors import WorkingDirectoryGone

__all__ = ["working_directory"]


def working_directory() -> Path:
    """Return the working directory of this process.

    Raises
    ------
    WorkingDirectoryGone
        If it has been deleted, or cannot be entered any more. ipyparallel and VisTrails cannot be
        imported then.
    """
    try:
        return Path.cwd()
    except OSError:
        raise WorkingDirectoryGone() from None
