"""An exclusive lock on an open file; the system gives it free when its holder ends.

Of the systems' ways the one that a child process does not take over by accident, and that no
file left behind can imitate.
"""

from __future__ import annotations

import sys
from typing import IO, Any

__all__ = ["try_to_lock"]

if sys.platform == "win32":
    import msvcrt

    # The lock keeps others from reading what it covers: a byte that no file reaches.
    _BYTE = 2**30

    def try_to_lock(file: IO[Any]) -> bool:
        """Lock a file that is open, until it is closed; never waits.

        Parameters
        ----------
        file : file
            Open for writing.

        Returns
        -------
        bool
            Whether it is locked now: False if another open file of the same name is.

        Raises
        ------
        OSError
            If the file system knows no locks.
        """
        at = file.tell()
        file.seek(_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            file.seek(at)
        return True

else:
    import fcntl

    def try_to_lock(file: IO[Any]) -> bool:
        """Lock a file that is open, until it is closed; never waits.

        Parameters
        ----------
        file : file
            The file.

        Returns
        -------
        bool
            Whether it is locked now: False if another open file of the same name is.

        Raises
        ------
        OSError
            If the file system knows no locks.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
