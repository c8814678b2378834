"""What commands print with ``--json``: an object with the number of its schema.

The fields are told in docs/json.md, whose tables a test compares with what comes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["SCHEMAS", "as_json", "document", "output_to_stderr", "print_document"]

SCHEMAS = {
    "run": 1,
    "run --dry-run": 1,
    "check": 1,
    "start": 1,
    "start --dry-run": 1,
    "profiles": 1,
    "show": 1,
    "info": 1,
    "runs": 1,
    "checkpoints": 1,
}
"""The number of each command's schema; it grows when a field gets another meaning, or goes."""


def document(command: str, content: Mapping[str, Any]) -> str:
    """Return the JSON of a command.

    Parameters
    ----------
    command : str
        One of `SCHEMAS`.
    content : mapping
        Its fields.
    """
    return json.dumps({"schema": SCHEMAS[command], **content}, indent=2, allow_nan=False)


def print_document(command: str, content: Mapping[str, Any]) -> None:
    """Print the JSON of a command to standard output."""
    print(document(command, content))


def as_json(value: Any) -> Any:
    """Return what stands for a value in JSON, which every reader of JSON can read.

    Text, numbers, truth values and None as they are; nan and the infinities as text; lists,
    tuples and arrays as lists; dictionaries with text as keys; files by their names; anything
    else, and what contains itself, as its ``repr``.

    Parameters
    ----------
    value : object
        The value.
    """
    with contextlib.suppress(Exception):  # of a class of the user's, or nested too deeply
        return _plain(value)
    return _repr(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(float(value))
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {k if isinstance(k, str) else _repr(k): _plain(v) for k, v in value.items()}
    if type(value).__name__ == "PathObject":  # VisTrails' files and folders
        return str(value.name)
    tolist = getattr(value, "tolist", None)  # numpy's scalars and arrays
    return _plain(tolist()) if callable(tolist) else _repr(value)


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as e:
        return f"<{type(value).__name__} that cannot be shown: {e}>"


@contextlib.contextmanager
def output_to_stderr(wanted: bool) -> Iterator[None]:
    """Send what is written to standard output within the block to standard error.

    That of C code and of children, too, so that nothing stands beside the JSON.

    Parameters
    ----------
    wanted : bool
        False to change nothing.
    """
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            os.dup2(2, 1)
            try:
                yield
            finally:
                os.dup2(kept, 1)
    finally:
        os.close(kept)
