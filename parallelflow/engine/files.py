"""Files that a function has made on another machine than the client's.

A function's temporary files live in its engine's file pool. On the client's own machine
a result may name one of them; from another machine its content has to travel.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallelflow.system.safe_files import open_to_read

__all__ = ["PackedFile", "pack", "unpack"]


@dataclass(frozen=True)
class PackedFile:
    """A file or folder of a file pool, with its content.

    Attributes
    ----------
    name : str
        Its name in the pool, without the folder.
    data : bytes
        The file's content, or a tar archive of the folder.
    folder : bool
        Whether it is a folder.
    """

    name: str
    data: bytes
    folder: bool


def pack(value: Any, pool: str) -> Any:
    """Return a value with the pool's files in it, also inside lists, tuples and dicts, packed.

    Parameters
    ----------
    value : object
        A result.
    pool : str
        The file pool's folder; files elsewhere are the user's and stay names.
    """

    def one(item: Any) -> Any:
        path = Path(str(getattr(item, "name", "")))
        if type(item).__name__ != "PathObject" or not path.is_relative_to(pool):
            return item
        if not path.is_dir():
            with open_to_read(path) as stream:  # an element may have made anything there
                return PackedFile(path.name, stream.read(), False)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(path, arcname=".")
        return PackedFile(path.name, archive.getvalue(), True)

    return _changed(value, one)


def unpack(value: Any, pool: Any) -> Any:
    """Return a value with its packed files written into a file pool.

    Parameters
    ----------
    value : object
        What `pack` returned.
    pool : FilePool
        The client's file pool; the files live as long as it does.
    """

    def one(item: Any) -> Any:
        if not isinstance(item, PackedFile):
            return item
        if item.folder:
            path = pool.create_directory()
            with tarfile.open(fileobj=io.BytesIO(item.data)) as tar:
                # The archive is our own; where Python has the check, it costs nothing.
                safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                tar.extractall(path.name, **safe)  # type: ignore[arg-type]
        else:
            path = pool.create_file(suffix="".join(Path(item.name).suffixes))
            Path(path.name).write_bytes(item.data)
        return path

    return _changed(value, one)


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_changed(item, change) for item in value)
    if type(value) is dict:
        return {key: _changed(item, change) for key, item in value.items()}
    return change(value)
