"""A lock on a profile, so that sessions that start a cluster at once make one, not a mixture.

Two controllers with one cluster id would overwrite each other's connection files, and
engines would register with either.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from parallelflow.system.file_lock import try_to_lock
from parallelflow.system.safe_files import open_lock

if TYPE_CHECKING:
    from parallelflow.errors import ProfileBusy

__all__ = ["profile_lock", "profile_lock_if_free"]

# A session holds it from the look for a controller until its engines are started and those of
# others have joined: some seconds; at most what `starting` and `launch` allow a controller and
# a launcher. Longer means that it hangs, or that somebody has stopped it (Ctrl-Z).
WAIT_SECONDS = 200.0
LOOK_SECONDS = 0.05

# The holder writes its process id into the file, for whoever waits without success.
PID_BYTES = 20

logger = logging.getLogger(__name__)

# A thread that holds a lock may ask for it again: the system would make it wait for itself.
_held: set[tuple[str, int]] = set()


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
    ProfileBusy
        If another session holds the lock for longer than a start can take.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with _opened(folder) as file:
        while not _lock(file):
            give_up()
            if time.monotonic() > deadline:
                raise _busy(folder, file)
            time.sleep(LOOK_SECONDS)
        with _holding(folder, file):
            yield  # closing the file gives the lock free


@contextlib.contextmanager
def profile_lock_if_free(folder: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Hold the lock of a profile if nobody else does; never waits for longer than it is told to.

    Parameters
    ----------
    folder : Path
        The profile's folder, with its subfolder ``pid``.
    seconds : float
        How long whoever holds it may take to give it free.

    Yields
    ------
    bool
        Whether it is held by this thread now.
    """
    if (str(folder), threading.get_ident()) in _held:
        yield True
        return
    try:
        file = open_lock(_file(folder))
    except OSError:
        yield False
        return
    deadline = time.monotonic() + seconds
    with file:
        while not _lock(file):
            if time.monotonic() >= deadline:
                yield False
                return
            time.sleep(LOOK_SECONDS)
        with _holding(folder, file):
            yield True


def _file(folder: Path) -> Path:
    return folder / "pid" / "parallelflow.lock"


def _opened(folder: Path) -> IO[bytes]:
    try:
        return open_lock(_file(folder))
    except OSError as e:
        from parallelflow.errors import ProfileUnusable  # the guard never raises it

        raise ProfileUnusable(
            f"The folder of the profile {folder.name.removeprefix('profile_')!r} cannot be "
            f"written: {e}. Free some space or correct its permissions, or choose another profile."
        ) from e


@contextlib.contextmanager
def _holding(folder: Path, file: IO[bytes]) -> Iterator[None]:
    with contextlib.suppress(OSError):  # a full disk: only a name is missing then
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
    held = (str(folder), threading.get_ident())
    _held.add(held)
    try:
        yield
    finally:
        _held.discard(held)


def _lock(file: IO[bytes]) -> bool:
    try:
        return try_to_lock(file)
    except OSError as e:  # a network drive without locks
        logger.warning("%s cannot be locked (%s): start one session after the other", file.name, e)
    return True


def _busy(folder: Path, file: IO[bytes]) -> ProfileBusy:
    from parallelflow.errors import ProfileBusy  # the guard never raises it

    try:
        holder = file.read(PID_BYTES).decode().strip()
    except (OSError, ValueError):
        holder = ""
    named = f"process {holder}" if holder.isdecimal() else "unknown to this one"
    return ProfileBusy(
        f"Another session ({named}) has been starting engines on the profile "
        f"{folder.name.removeprefix('profile_')} for {WAIT_SECONDS:.0f} s and does not come to an "
        "end. Let it go on if it was suspended, end it, or choose another profile."
    )
