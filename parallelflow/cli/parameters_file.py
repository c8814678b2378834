"""``--params-file``: values of aliases in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parallelflow.errors import ParametersFileError
from parallelflow.system import safe_files

__all__ = ["read_parameters"]


def read_parameters(name: str) -> list[tuple[str, str]]:
    """Return the values of aliases that a file has, as ``--set`` has them.

    Parameters
    ----------
    name : str
        The file: an object of JSON. Text is taken as it is, lists and dictionaries as Python
        writes them.

    Returns
    -------
    list of (str, str)
        Alias and value, in the file's order.

    Raises
    ------
    ParametersFileError
        If it cannot be read, or holds something else.
    """
    try:
        found = safe_files.read_json(Path(name))
    except safe_files.UnusableFile as e:
        raise ParametersFileError(name, f"{e.reason}.") from e
    except OSError as e:
        raise ParametersFileError(name, f"cannot be read: {e.strerror or e}.") from e
    except ValueError as e:
        raise ParametersFileError(name, f"is not JSON: {e}.") from e
    if not isinstance(found, dict):
        raise ParametersFileError(
            name, 'is not an object of JSON, such as {"folds": 3, "C": [0.1, 1.0]}.'
        )
    return [(alias, _text(name, alias, value)) for alias, value in found.items()]


def _text(name: str, alias: str, value: Any) -> str:
    if value is None:
        raise ParametersFileError(name, f"{alias!r} is null: leave it out, or give it a value.")
    return value if isinstance(value, str) else repr(value)
