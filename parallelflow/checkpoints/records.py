"""The file of a checkpoint: a header, and a record for each element that has finished.

Records are only ever added. Each has its length and checksums, so that one that was cut, by the
end of its session or a full disk, is found out and costs its own element.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

from .content import DIGEST_BYTES

__all__ = ["header_record", "read_header", "read_records", "record"]

# No part of a number that is likely in data; searched for after a record that is not whole.
MAGIC = b"\x93PFckpt\n"
# Length of the content, what it is about, checksum of the content; then one of all these.
HEAD = struct.Struct(f"<Q{DIGEST_BYTES}sI")
SUM = struct.Struct("<I")
HEAD_BYTES = len(MAGIC) + HEAD.size + SUM.size
COUNT = struct.Struct("<I")
SIZE = struct.Struct("<Q")

#: The digest that stands for the header.
HEADER = bytes(DIGEST_BYTES)
MAX_HEADER_BYTES = 16 * 2**20
SEARCH_BYTES = 1 << 20


def record(digest: bytes, frames: Sequence[Any]) -> bytes:
    """Return the record of an element.

    Parameters
    ----------
    digest : bytes
        The element's.
    frames : sequence of bytes-like
        Its value, as `parallelflow.engine.payload.dump` gives it.
    """
    sizes = b"".join(SIZE.pack(memoryview(frame).nbytes) for frame in frames)
    content = b"".join([COUNT.pack(len(frames)), sizes, *frames])
    head = HEAD.pack(len(content), digest, zlib.crc32(content))
    return b"".join([MAGIC, head, SUM.pack(zlib.crc32(head)), content])


def header_record(header: dict[str, Any]) -> bytes:
    """Return the record that a file begins with."""
    return record(HEADER, [json.dumps(header).encode()])


def read_header(file: IO[bytes]) -> dict[str, Any] | None:
    """Return a file's header, None if it is not whole."""
    file.seek(0)
    for digest, frames in read_records(file, MAX_HEADER_BYTES):
        if digest != HEADER:
            return None
        try:
            header = json.loads(bytes(frames[0]))
        except ValueError:
            return None
        return header if isinstance(header, dict) else None
    return None


def read_records(file: IO[bytes], most_bytes: int | None = None) -> Iterator[tuple[bytes, Any]]:
    """Yield digest and frames of each whole record, from the file's position on.

    Parameters
    ----------
    file : file
        Open for reading.
    most_bytes : int, optional
        Records that claim to be larger are passed over.
    """
    end = _size(file)
    position = file.tell()
    while True:
        file.seek(position)
        found = _read_record(file, end, most_bytes)
        if found is not None:
            digest, content = found
            position += HEAD_BYTES + len(content)
            yield digest, _cut(content)
            continue
        following = _find(file, position + 1)
        if following is None:
            return
        position = following


def _size(file: IO[bytes]) -> int:
    at = file.tell()
    size = file.seek(0, 2)
    file.seek(at)
    return size


def _read_record(file: IO[bytes], end: int, most: int | None) -> tuple[bytes, bytearray] | None:
    start = file.tell()
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES or not head.startswith(MAGIC):
        return None
    fields = head[len(MAGIC) : -SUM.size]
    if SUM.unpack(head[-SUM.size :])[0] != zlib.crc32(fields):
        return None
    length, digest, checksum = HEAD.unpack(fields)
    if start + HEAD_BYTES + length > end or (most is not None and length > most):
        return None
    content = bytearray(length)  # what becomes of it can be written to
    if file.readinto(content) != length or zlib.crc32(content) != checksum:  # type: ignore[attr-defined]
        return None
    return digest, content


def _cut(content: bytearray) -> list[memoryview]:
    view = memoryview(content)
    (count,) = COUNT.unpack_from(view)
    at = COUNT.size + count * SIZE.size
    frames = []
    for number in range(count):
        (size,) = SIZE.unpack_from(view, COUNT.size + number * SIZE.size)
        frames.append(view[at : at + size])
        at += size
    return frames


def _find(file: IO[bytes], position: int) -> int | None:
    """Return where the next record may begin, from a position on; None if nowhere."""
    file.seek(position)
    kept = b""
    while data := file.read(SEARCH_BYTES):
        data = kept + data
        at = data.find(MAGIC)
        if at >= 0:
            return position + at - len(kept)
        position += len(data) - len(kept)
        kept = data[-(len(MAGIC) - 1) :]
    return None
