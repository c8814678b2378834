"""A lock on a profile, so that two sessions that start a cluster at once make one, not a mixture.

Two controllers with one cluster id would overwrite each other's connection files, and
engines would register with either.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from parallelflow.errors import ProfileUnusable
from parallelflow.file_lock import try_to_lock

__all__ = ["profile_lock"]

# The other session holds it from the look for a controller until it is connected to its
# own: about a second, at most what `starting` allows a controller. Longer means that it
# hangs, and then its lock is not worth waiting for.
WAIT_SECONDS = 90.0
LOOK_SECONDS = 0.05

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def profile_lock(folder: Path, give_up: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock of a profile; the system gives it free when a session is killed.

    Parameters
    ----------
    folder : Path
        The profile's folder, with its subfolder ``pid``.
    give_up : callable
        Called while waiting; raises if the user has cancelled.

    Raises
    ------
    ProfileUnusable
        If the lock file cannot be opened.
    """
    try:
        file = (folder / "pid" / "parallelflow.lock").open("a")
    except OSError as e:
        raise ProfileUnusable(
            f"the folder of the profile {folder.name.removeprefix('profile_')!r} cannot be "
            f"written: {e}. Free some space or correct its permissions, or choose another profile."
        ) from e
    with file:
        deadline = time.monotonic() + WAIT_SECONDS
        while not _try_to_lock(file):
            give_up()
            if time.monotonic() > deadline:
                logger.warning("another session holds the lock of %s; going on without", folder)
                break
            time.sleep(LOOK_SECONDS)
        yield  # closing the file gives the lock free


def _try_to_lock(file: IO[str]) -> bool:
    try:
        return try_to_lock(file)
    except OSError:
        return False
