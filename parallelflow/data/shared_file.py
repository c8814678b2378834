"""One file in shared memory that carries buffers from one process to others of this machine.

Whether two processes share a machine's memory is found out by opening the file: its name and
the token at its beginning are random, so that a file with that name and token is that file,
whatever hosts, containers or mounted folders are called. Standard library only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .mapping import map_file

__all__ = ["READ_FLAGS", "FileReference", "NotShared", "read_buffers", "write_buffers"]

Buffer = bytes | bytearray | memoryview

# NumPy and libraries that compute with vectors of 512 bits like buffers that begin at such a limit.
ALIGNMENT = 64
TOKEN_BYTES = 16
# Linux writes at most 0x7ffff000 bytes at once, other systems less than 2**31.
WRITE_BYTES = 1 << 30
# What stands at the name may be a pipe that somebody else has made: it is opened without waiting.
# The last three are not on every system; there is no shared folder then, either.
READ_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC")
)


class NotShared(Exception):
    """The file of a reference is not here: the buffers have to come in a message."""


class FileReference(NamedTuple):
    """Where buffers lie that did not travel in the message.

    Attributes
    ----------
    path : str
        The file.
    token : bytes
        What its first `TOKEN_BYTES` bytes are.
    sizes : tuple of int
        The buffers' sizes, bytes, in order. Each begins at the next multiple of `ALIGNMENT`.
    last_reader : bool
        Whether whoever reads it removes its name: nobody else will read it.
    """

    path: str
    token: bytes
    sizes: tuple[int, ...]
    last_reader: bool

    @property
    def nbytes(self) -> int:
        """The file's size, bytes."""
        return sum(map(_aligned, self.sizes), ALIGNMENT)


def write_buffers(
    path: str, buffers: Sequence[Sequence[Buffer]], last_reader: bool
) -> FileReference | None:
    """Write buffers into a new file.

    By ``write``, which fails where there is no room. Storing into a mapped file would end the
    process by SIGBUS then.

    Parameters
    ----------
    path : str
        The file, which must not exist.
    buffers : sequence of sequence of bytes-like
        Each buffer as the pieces that it consists of, contiguous and of bytes.
    last_reader : bool
        See `FileReference`.

    Returns
    -------
    FileReference or None
        None if it cannot be written: no room, no folder. Nothing is left then.
    """
    token = os.urandom(TOKEN_BYTES)
    sizes = tuple(sum(memoryview(piece).nbytes for piece in pieces) for pieces in buffers)
    reference = FileReference(path, token, sizes, last_reader)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return None
    try:
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        _write(descriptor, token.ljust(ALIGNMENT, b"\0"))
        for pieces, size in zip(buffers, sizes, strict=True):
            for piece in pieces:
                _write(descriptor, piece)
            _write(descriptor, bytes(_aligned(size) - size))
    except BaseException as e:
        with suppress(OSError):
            Path(path).unlink()
        if isinstance(e, OSError):
            return None
        raise
    finally:
        os.close(descriptor)
    return reference


def read_buffers(reference: FileReference) -> list[memoryview]:
    """Map the buffers of a reference, each writable without anybody else seeing it.

    Parameters
    ----------
    reference : FileReference
        What `write_buffers` returned, in this or another process.

    Returns
    -------
    list of memoryview
        As many as the reference has sizes. They stay valid when the file is removed.

    Raises
    ------
    NotShared
        If this process does not have the file: another machine, another container, or it was
        removed.
    """
    try:
        descriptor = os.open(reference.path, READ_FLAGS)
    except (OSError, ValueError) as e:
        raise NotShared(str(e)) from e
    try:
        status = os.fstat(descriptor)
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_size != reference.nbytes
            or os.pread(descriptor, TOKEN_BYTES, 0) != reference.token
        ):
            raise NotShared(f"{reference.path} is another file")
        try:
            content = map_file(descriptor, status.st_size)
        except OSError as e:
            raise NotShared(str(e)) from e
    finally:
        os.close(descriptor)
    if reference.last_reader:
        with suppress(OSError):
            Path(reference.path).unlink()
    found = []
    begin = ALIGNMENT
    for size in reference.sizes:
        found.append(content[begin : begin + size])
        begin += _aligned(size)
    return found


def _aligned(size: int) -> int:
    """Return the smallest multiple of `ALIGNMENT` that is not below a size."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _write(descriptor: int, content: Buffer) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest[:WRITE_BYTES]) :]
