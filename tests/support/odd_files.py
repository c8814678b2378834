"""What can stand in the place of a file."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

KINDS = ("fifo", "socket", "device", "folder", "dangling link", "loop of links", "link to a device")
"""Names for `make_odd`."""


@contextlib.contextmanager
def make_odd(path: Path, kind: str) -> Iterator[None]:
    """Put something in a file's place; it is removed at the end if it is still there."""
    with contextlib.ExitStack() as stack:
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            # Its path has at most 107 characters.
            here = os.open(path.parent, os.O_RDONLY)
            stack.callback(os.close, here)
            server.bind(f"/proc/self/fd/{here}/{path.name}")
            server.listen()
        elif kind == "device":
            _make_device(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "dangling link":
            path.symlink_to("nothing")
        elif kind == "loop of links":
            path.symlink_to(path.name)
        elif kind == "link to a device":
            path.symlink_to("/dev/zero")
        else:
            raise ValueError(kind)
        yield
        with contextlib.suppress(FileNotFoundError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _make_device(path: Path) -> None:
    """Make a device that never ends, as ``/dev/zero``; a link to it where only root may."""
    try:
        os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")
