"""What a value is, as a digest that is the same in every session.

A pickle is not: it differs by the order of sets, and by whether two equal objects are one. So
plain values are taken apart here, and only what is left is pickled.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from parallelflow.engine import payload
from parallelflow.engine.code_files import without_file_names
from parallelflow.system.safe_files import open_to_read

try:
    from xxhash import xxh3_128
except ImportError:  # on a Python for which there is none; slower
    xxh3_128 = None  # type: ignore[assignment,misc]

__all__ = [
    "DIGEST_BYTES",
    "PLAIN",
    "ContentDigest",
    "FileContent",
    "content_digest",
    "feed",
    "files_in",
    "new_digest",
]

DIGEST_BYTES = 16
# Longer lists are pickled: item by item they would take longer than many elements do.
MAX_ITEMS = 1000
READ_BYTES = 1 << 20
MAX_DEPTH = 20
# A digest of so many bytes takes a millisecond at most.
AT_ONCE_BYTES = 10_000_000

PLAIN = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis))


class FileContent:
    """What is in a file or folder, as a value of which a digest can be taken.

    Parameters
    ----------
    name : str
        The file or folder.
    """

    def __init__(self, name: str) -> None:
        self.name = name


def new_digest() -> Any:
    """Return a digest to which `feed` adds values.

    Notes
    -----
    Two values of one digest harm nobody but whoever has made both, so that it need not be a
    cryptographic one. A run over a large array waits for it: of 200 MB xxh3_128 took 8 ms, blake2b
    216 ms, on one core of a virtual machine.
    """
    if xxh3_128 is None:
        return hashlib.blake2b(digest_size=DIGEST_BYTES)
    return xxh3_128()


def content_digest(value: Any) -> bytes:
    """Return the digest of a value; of VisTrails' files and folders with what is in them.

    Raises
    ------
    Exception
        If the value cannot be pickled, or a file cannot be read.
    """
    digest = new_digest()
    feed(digest, value)
    return bytes(digest.digest())


class ContentDigest:
    """The `content_digest` of a value; of large arrays it is computed beside what follows.

    Parameters
    ----------
    value : object
        The value. It must not change before `get` has returned.

    Raises
    ------
    Exception
        As `content_digest` does, at once.
    """

    def __init__(self, value: Any) -> None:
        self._thread: threading.Thread | None = None
        self._digest = b""
        if next(files_in(value), None) is not None:  # what is read is not to be kept
            self._digest = content_digest(value)
            return
        pieces = _Pieces()
        feed(pieces, value)
        if pieces.nbytes < AT_ONCE_BYTES:
            self._compute(pieces.found)
        else:
            # Hashing a large buffer leaves Python to other threads.
            self._thread = threading.Thread(target=self._compute, args=(pieces.found,), daemon=True)
            self._thread.start()

    def _compute(self, pieces: list[bytes | bytearray | memoryview]) -> None:
        digest = new_digest()
        for piece in pieces:
            digest.update(piece)
        self._digest = bytes(digest.digest())

    def get(self) -> bytes:
        """Return the digest; wait for it if it is still being computed."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return self._digest


class _Pieces:
    """What a digest would be given, in its order."""

    def __init__(self) -> None:
        self.found: list[bytes | bytearray | memoryview] = []
        self.nbytes = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self.found.append(data)
        self.nbytes += memoryview(data).nbytes


def feed(digest: Any, value: Any, depth: int = 0) -> None:
    """Add a value to a digest."""
    kind = type(value)
    if kind in PLAIN:
        data = value if kind is bytes else repr(value).encode("utf-8", "surrogatepass")
        _tagged(digest, kind.__name__, data)
    elif kind in (list, tuple) and len(value) <= MAX_ITEMS and depth < MAX_DEPTH:
        _tagged(digest, kind.__name__, str(len(value)).encode())
        for item in value:
            feed(digest, item, depth + 1)
    elif kind is dict and len(value) <= MAX_ITEMS and depth < MAX_DEPTH:
        _tagged(digest, "dict", str(len(value)).encode())
        for key, item in value.items():
            feed(digest, key, depth + 1)
            feed(digest, item, depth + 1)
    elif kind in (set, frozenset):
        parts = sorted(content_digest(item) for item in value)
        _tagged(digest, kind.__name__, b"".join(parts))
    elif _is_file(value):
        _tagged(digest, "file", str(value.name).encode("utf-8", "surrogatepass"))
        _feed_file(digest, Path(str(value.name)))
    else:
        with without_file_names():
            frames = payload.dump(value)
        for frame in frames:
            _tagged(digest, kind.__qualname__, frame)


def files_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the names of VisTrails' files and folders in a value, also in lists and dicts."""
    if _is_file(value):
        yield str(value.name)
    elif depth < MAX_DEPTH and isinstance(value, (list, tuple)):
        for item in value:
            if type(item) not in PLAIN:
                yield from files_in(item, depth + 1)
    elif depth < MAX_DEPTH and isinstance(value, Mapping):
        for item in value.values():
            yield from files_in(item, depth + 1)


def _is_file(value: Any) -> bool:
    return type(value).__name__ in ("PathObject", "FileContent") and hasattr(value, "name")


def _tagged(digest: Any, tag: str, data: bytes | bytearray | memoryview) -> None:
    digest.update(tag.encode())
    digest.update(struct.pack("<Q", memoryview(data).nbytes))
    digest.update(data)


def _feed_file(digest: Any, path: Path) -> None:
    """Add what is in a file or folder; nothing where there is none."""
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            _tagged(digest, "entry", os.fsencode(entry.name))
            _feed_file(digest, entry)
    elif path.is_file():
        with open_to_read(path) as stream:
            while data := stream.read(READ_BYTES):
                digest.update(data)
        digest.update(b"end")
