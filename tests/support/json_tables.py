"""The tables of docs/json.md: a document of a command must have their fields, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"

_TYPES: dict[str, Any] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "true or false": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}
# What stands for names that the user chooses is not told field by field.
_OPEN = ("parameters", "parts", "value")


def fields(command: str) -> dict[str, str]:
    """Return the fields that the page tells for a command, each with its type."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(command)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, command
    told = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", found[1], re.M))
    assert told, command
    return told


def check(command: str, document: dict[str, Any]) -> None:
    """Fail unless a document has the fields of its table, of their types, and no others."""
    told, seen = fields(command), set()
    for path, value in _paths(document):
        assert path in told, f"docs/json.md does not tell {path} of {command}"
        kind = told[path].strip().removesuffix(" or null")
        nothing = value is None and told[path].strip().endswith(" or null")
        assert nothing or _TYPES[kind](value), f"{path} is no {told[path]}: {value!r}"
        seen.add(path)
    for path in told:
        inner = [p for p in told if path.startswith((f"{p}[].", f"{p}."))]
        # What is in a list that is empty, or in an object that is null, does not come.
        if path not in seen and not inner:
            raise AssertionError(f"{command} has no {path}")


def _paths(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if path:
        yield path, value
    if re.split(r"[.\[]", path)[-1] in _OPEN:
        return
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _paths(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, dict):
                for name, inner in part.items():
                    yield from _paths(inner, f"{path}[].{name}")
