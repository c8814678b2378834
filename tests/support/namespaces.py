"""Commands in a namespace of their own: another network, another view of the disk, another user."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NOBODY = 65534
"""The user and group id of ``nobody``."""


@functools.cache
def _works(command: tuple[str, ...]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    ended = subprocess.run([*command, "true"], capture_output=True, check=False)
    return ended.returncode == 0


def in_namespace(*kinds: str) -> list[str]:
    """Return what begins a command that runs in a namespace of its own, or skip the test.

    Parameters
    ----------
    *kinds : str
        As ``unshare`` has them, such as ``--mount`` and ``--net``.
    """
    begin = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), *kinds]
    if not _works(tuple(begin)):
        pytest.skip("this system gives no namespaces (unshare)")
    return begin


def as_nobody() -> list[str]:
    """Return what begins a command of the user ``nobody``, or skip the test."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a command as another user")
    begin = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if not _works(tuple(begin)):
        pytest.skip("there is no setpriv")
    return begin


def mounted(script: str, *command: object) -> list[str]:
    """Return a command that runs after a shell script has mounted what it wants.

    Parameters
    ----------
    script : str
        Shell; what it mounts is seen by the command only.
    *command : object
        Program and arguments.
    """
    begin = in_namespace("--mount")
    probe = subprocess.run(
        [*begin, "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip("this system lets nobody mount a folder in a namespace")
    return [*begin, "sh", "-c", f'{script}\nexec "$@"', "sh", *map(str, command)]


def read_only(folder: Path) -> str:
    """Return shell that makes a folder read only, for root as well."""
    return f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'"


def full(folder: Path, kilobytes: int, left: int = 0) -> str:
    """Return shell that puts a small disk in a folder's place, full but for some kilobytes."""
    return (
        f"mount -t tmpfs -o size={kilobytes}k none '{folder}'\n"
        f"dd if=/dev/zero of='{folder}/filled' bs=1k count={kilobytes - left} 2>/dev/null"
    )
