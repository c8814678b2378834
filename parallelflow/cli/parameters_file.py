"""``--params-file``: values of aliases in a file."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from parallelflow.errors import AliasError, ParameterError, ParametersFileError
from parallelflow.system import safe_files

__all__ = ["errors_name_the_file", "read_parameters"]


def read_parameters(name: str) -> dict[str, str]:
    """Return the values of aliases that a file has, as ``--set`` has them.

    Parameters
    ----------
    name : str
        The file: an object of JSON in UTF-8, with or without a byte order mark. Text is taken as
        it is, lists and dictionaries as Python writes them.

    Returns
    -------
    dict of str to str
        Value by alias, in the file's order.

    Raises
    ------
    ParametersFileError
        If it cannot be read, gives an alias twice, or holds something else.
    """
    try:
        # Editors on Windows begin a file with the mark.
        text = safe_files.read_bytes(Path(name)).removeprefix(codecs.BOM_UTF8).decode()
    except safe_files.UnusableFile as e:
        raise ParametersFileError(name, f"{e.reason}.") from e
    except OSError as e:
        raise ParametersFileError(name, f"cannot be read: {e.strerror or e}.") from e
    except UnicodeDecodeError as e:
        raise ParametersFileError(name, f"is not JSON in UTF-8: {e}.") from e
    given: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        # Those of the outermost object come last.
        given[:] = [alias for alias, _ in found]
        return dict(found)

    try:
        found = safe_files.parse_json(text, pairs)
    except ValueError as e:
        raise ParametersFileError(name, f"is not JSON: {e}.") from e
    if not isinstance(found, dict):
        raise ParametersFileError(
            name, 'is not an object of JSON, such as {"folds": 3, "C": [0.1, 1.0]}.'
        )
    for alias in found:
        if given.count(alias) > 1:
            raise ParametersFileError(
                name, f"{alias!r} has {given.count(alias)} values: leave one."
            )
    return {alias: _text(name, alias, value) for alias, value in found.items()}


@contextlib.contextmanager
def errors_name_the_file(name: str, aliases: Container[str]) -> Iterator[None]:
    """Have an error about a value of the file name the file, within the block.

    Parameters
    ----------
    name : str
        The file.
    aliases : container of str
        The aliases that have their value from it.
    """
    try:
        yield
    except (AliasError, ParameterError) as e:
        if e.name not in aliases:
            raise
        raise AliasError(e.name, e.reason, name) from e.__cause__


def _text(name: str, alias: str, value: Any) -> str:
    if value is None:
        raise ParametersFileError(name, f"{alias!r} is null: leave it out, or give it a value.")
    return value if isinstance(value, str) else repr(value)
