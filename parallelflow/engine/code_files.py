"""The files that code comes from, as they are named on engines: for tracebacks and `inspect`."""

from __future__ import annotations

import contextlib
import contextvars
import linecache
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["code_of_file", "file_of", "without_file_names"]

_named = contextvars.ContextVar("parallelflow_code_files", default=True)


@contextlib.contextmanager
def without_file_names() -> Iterator[None]:
    """Leave the names of files out of what is pickled in this block.

    For digests: a notebook names its cells otherwise in each session.
    """
    token = _named.set(False)
    try:
        yield
    finally:
        _named.reset(token)


def file_of(code: types.CodeType) -> tuple[str, str | None] | None:
    """Return the name of the file that code comes from, and its text if it is in no file.

    Parameters
    ----------
    code : code
        Of a function.

    Returns
    -------
    tuple of (str, str or None), or None
        The text is that of a notebook's cell. None for code without a name that means something
        in another process, such as ``<stdin>``.
    """
    name = code.co_filename
    if not _named.get() or (name.startswith("<") and name.endswith(">")):
        return None
    with contextlib.suppress(OSError):  # the working directory is gone
        path = Path(name).absolute()
        if path.is_file():
            return str(path), None
    entry: Any = linecache.cache.get(name, ())
    return name, "".join(entry[2]) if len(entry) == 4 and entry[1] is None else None


def code_of_file(make: Any, parts: tuple[Any, ...], name: str, text: str | None) -> types.CodeType:
    """Return code that was pickled, with the name of its file.

    Parameters
    ----------
    make, parts : callable and tuple
        What makes the code.
    name, text : str and str or None
        As `file_of` has returned them.
    """
    if text:
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    code: types.CodeType = make(*parts)
    return code.replace(co_filename=name)
