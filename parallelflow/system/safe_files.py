"""Files and folders that are opened, written and made without trusting what stands in their place.

A name on disk need not belong to a file: a FIFO blocks whoever opens it, a device never ends, a
link leads to a file of somebody else. Every file that Parallel Flow reads or writes by itself is
opened here, in one file, though a long one. Standard library only: engines and the guard process
use it, too.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

__all__ = [
    "MAX_BYTES",
    "PRIVATE_FILE",
    "PRIVATE_FOLDER",
    "UnusableFile",
    "is_circle",
    "is_folder",
    "is_there",
    "list_files",
    "make_folder",
    "open_lock",
    "open_to_read",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_text",
    "replace_bytes",
    "replace_text",
    "writable_by_others",
]

MAX_BYTES = 64 * 2**20
"""The largest file that is read whole. Connection files, records and configurations have some
kilobytes, the record of a cluster of a thousand engines half a megabyte."""

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
SHARED_FILE = 0o666

_KINDS = {
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
}
# Not on every system.
_NO_BLOCK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_CLOSED_IN_CHILDREN = getattr(os, "O_CLOEXEC", 0)


class UnusableFile(OSError):
    """What stands at a file's name is no file, is another user's, or is too large.

    Parameters
    ----------
    path : path
        The name.
    reason : str
        What is wrong with it, as *is a device, not a file*.
    """

    def __init__(self, path: os.PathLike[str] | str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.filename} {self.reason}"


def open_to_read(
    path: os.PathLike[str] | str, *, links: bool = True, own: bool = False
) -> IO[bytes]:
    """Open a regular file for reading; never blocks.

    Parameters
    ----------
    path : path
        The file.
    links : bool
        Whether the name may be a link.
    own : bool
        Whether the file must belong to this user: for folders that all users can write.

    Raises
    ------
    UnusableFile
        If it is no regular file, or not of this user.
    OSError
        If it cannot be opened.
    """
    return os.fdopen(_open(path, os.O_RDONLY, links, own), "rb")


def open_lock(path: os.PathLike[str] | str) -> IO[bytes]:
    """Open a file to lock it, made if it is missing: only this user can read it.

    Raises
    ------
    UnusableFile
        If a link or anything else that is no regular file stands there.
    OSError
        If it cannot be opened.
    """
    return os.fdopen(_open(path, os.O_RDWR | os.O_CREAT, links=False, own=False), "r+b")


def _open(path: os.PathLike[str] | str, flags: int, links: bool, own: bool) -> int:
    try:
        # Before it is opened: to open some devices sets them in motion.
        _check(path, Path(path).stat(follow_symlinks=links), own)
    except UnusableFile:
        raise  # what a link leads to, too
    except OSError as e:
        if links and Path(path).is_symlink():
            why = "in a circle" if e.errno == errno.ELOOP else "to nothing that can be reached"
            raise UnusableFile(path, f"is a link that leads {why}") from e
        if not isinstance(e, FileNotFoundError):
            raise
    flags |= _NO_BLOCK | _CLOSED_IN_CHILDREN | (0 if links else _NO_LINK)
    try:
        file = os.open(path, flags, PRIVATE_FILE)
    except OSError as e:
        if e.errno == errno.ELOOP and not links:
            raise UnusableFile(path, "is a link, not a file") from e
        raise
    try:
        _check(path, os.fstat(file), own)  # it may be another one by now
    except BaseException:
        os.close(file)
        raise
    return file


def _check(path: os.PathLike[str] | str, found: os.stat_result, own: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise UnusableFile(path, f"is {kind}, not a file")
    if own and hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise UnusableFile(path, "belongs to another user")


def read_bytes(
    path: os.PathLike[str] | str,
    max_bytes: int = MAX_BYTES,
    *,
    links: bool = True,
    own: bool = False,
) -> bytes:
    """Return what a regular file holds.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int
        A longer one is refused.
    links, own : bool
        As in `open_to_read`.

    Raises
    ------
    OSError
        As `open_to_read`; also if it is too large.
    """
    with open_to_read(path, links=links, own=own) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= max_bytes:
            data = stream.read(max_bytes + 1)
            if len(data) <= max_bytes:  # it may grow meanwhile; files of /proc tell no size
                return data
    raise UnusableFile(path, f"is larger than {max_bytes} bytes")


def read_text(
    path: os.PathLike[str] | str,
    max_bytes: int = MAX_BYTES,
    *,
    links: bool = True,
    own: bool = False,
) -> str:
    """Return the text (UTF-8) in a regular file; see `read_bytes`.

    Raises
    ------
    OSError
        As `read_bytes`.
    ValueError
        If it is no text.
    """
    return read_bytes(path, max_bytes, links=links, own=own).decode()


def parse_json(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the value in a JSON text.

    Parameters
    ----------
    text : str
        The text.
    pairs : callable, optional
        Makes each object of its names and values, those inside first; a dictionary if not given.

    Raises
    ------
    ValueError
        If it is none, also if it is nested more deeply than can be read.
    """
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e


def read_json(path: os.PathLike[str] | str, *, links: bool = True, own: bool = False) -> Any:
    """Return the value in a JSON file.

    Raises
    ------
    OSError
        As `read_bytes`.
    ValueError
        As `parse_json`.
    """
    return parse_json(read_text(path, links=links, own=own))


def replace_text(path: Path, text: str, private: bool = True, errors: str = "strict") -> None:
    """Write a file of text (UTF-8) in one step; see `replace_bytes`.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        What it is to hold.
    private : bool
        As of `replace_bytes`.
    errors : str
        What becomes of what is no character, as in an odd file's name: as of `str.encode`.

    Raises
    ------
    OSError
        As `replace_bytes`.
    """
    replace_bytes(path, text.encode(errors=errors), private)


def replace_bytes(path: Path, data: bytes, private: bool = True) -> None:
    """Write a file in one step: who reads sees the old or the new.

    A link at its name is replaced, not followed. What a writer that was killed has left is named
    ``NAME.RANDOM.new``.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes
        What it is to hold.
    private : bool
        Whether only this user can read it; else who can is as the umask says.

    Raises
    ------
    OSError
        If it cannot be written, which names the file; the old one is still there then.
    """
    new = path.with_name(f"{path.name}.{os.urandom(4).hex()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _CLOSED_IN_CHILDREN
    try:
        mode = PRIVATE_FILE if private else SHARED_FILE
        with open(os.open(new, flags, mode), "wb") as stream:
            if private:
                new.chmod(mode)  # a umask may have taken even the owner's rights
            stream.write(data)
        new.replace(path)
    except BaseException as e:
        with contextlib.suppress(OSError):
            new.unlink()
        if isinstance(e, OSError):  # not the name that it would have had meanwhile
            raise OSError(e.errno, e.strerror, str(path)) from e
        raise


def is_there(path: Path) -> bool:
    """Return True if something stands at a name, as far as this user can see."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def is_circle(path: Path) -> bool:
    """Return True if a name is a link that leads to itself, by whatever way."""
    try:
        path.stat()
    except OSError as e:
        return e.errno == errno.ELOOP
    return False


def is_folder(path: Path) -> bool:
    """Return True if there is a folder, as far as this user can see."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False


def list_files(folder: Path, pattern: str) -> list[Path]:
    """Return what a folder has of a pattern, sorted; nothing if this user cannot look into it."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where missing; only this user can use them.

    Raises
    ------
    OSError
        If it cannot be made, or something else stands there.
    """
    if is_folder(path):
        return
    if path.parent != path:
        make_folder(path.parent)
    try:
        path.mkdir(PRIVATE_FOLDER)
        path.chmod(PRIVATE_FOLDER)  # a umask may have taken even the owner's rights
    except FileExistsError as e:
        if is_folder(path):
            return  # another session has made it just now
        raise UnusableFile(path, "is not a folder") from e


def writable_by_others(path: Path) -> bool:
    """Return True if other users can change a file, or what is in a folder.

    That is if it belongs to another user than this one and the administrator, or if others can
    write it. The group is not counted where it is a user's own private one.
    """
    if not hasattr(os, "geteuid"):
        return False
    try:
        found = path.stat()
    except OSError:
        return False
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_private_group(found)


def _is_private_group(found: os.stat_result) -> bool:
    """Return True if a group is that of the file's owner, with no other member.

    Many systems give each user such a group, and a umask by which it can write everything.
    """
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}
