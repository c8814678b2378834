"""Values as the cells of a table: text that a spreadsheet or pandas reads."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from .workflow_results import module_results

__all__ = ["Result", "cell", "collect_cells"]

Result = tuple[int, int, str, str]
"""Position of the workflow, id of the module, name of the result, its text."""


def cell(value: Any) -> str:
    """Return a value as the text of a table's cell.

    Text as it is; numbers and truth values as Python writes them, those of numpy too; None as
    nothing; files and folders by their names; lists, tuples and dictionaries of these as JSON,
    arrays as nested lists; anything else as its ``repr``.

    Parameters
    ----------
    value : object
        The value.
    """
    with contextlib.suppress(Exception):  # of a class of the user's, of JSON, or too deep
        plain = _plain(value)
        if plain is None:
            return ""
        if isinstance(plain, str):
            return str(plain)
        if isinstance(plain, (bool, int, float)):
            return repr(plain)
        return json.dumps(plain, default=_plain, ensure_ascii=False)
    try:
        return repr(value)
    except Exception as e:
        return f"<{type(value).__name__} that cannot be shown: {e}>"


def _plain(value: Any) -> Any:
    """Return what stands for a value in JSON.

    Raises
    ------
    TypeError
        If nothing does, and the value is not one that JSON has.
    """
    if value is None or isinstance(value, (str, bool, int, float, list, tuple, dict)):
        return value
    if type(value).__name__ == "PathObject":  # VisTrails' files and folders
        return str(value.name)
    tolist = getattr(value, "tolist", None)  # numpy's scalars and arrays
    if callable(tolist):
        return tolist()
    raise TypeError(f"no JSON for {type(value).__name__}")


def collect_cells(workflow: int, pipeline: Any, objects: dict[int, Any]) -> list[Result]:
    """Return a workflow's results as text: what travels back of a run for a table.

    Parameters
    ----------
    workflow : int
        Its position.
    pipeline : vistrails Pipeline
        The workflow that was run.
    objects : dict
        Module object by module id.
    """
    return [
        (workflow, number, name, cell(value))
        for number, name, value in module_results(pipeline, objects)
    ]
