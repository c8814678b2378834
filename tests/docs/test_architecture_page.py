"""What the pages for contributors name exists: files, rooms, classes, functions, commands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks

PACKAGE = ROOT / "parallelflow"
PAGE = ROOT / "docs" / "architecture.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"

#: What is in code type and is no name of the code, or is made by a command.
WORDS = {"_private", "build/docs"}


COMMAND = r"^make (?:\w+=\S+ )*([\w-]+)$"


def spans(page: Path) -> list[str]:
    """Return what stands in code type on a page, outside its blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [span for span in re.findall(r"`([^`\n]+)`", text) if span not in WORDS]


def is_path(span: str) -> bool:
    return " " not in span and ("/" in span or bool(re.search(r"\.(py|md|toml)$", span)))


def defined() -> set[str]:
    """Return the names of the package's classes, functions and methods, these with their class."""
    return {name for path in PACKAGE.rglob("*.py") for name in _defined(path)}


def _defined(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef)
            )


@pytest.mark.parametrize("page", [PAGE, CONTRIBUTING], ids=lambda page: page.stem)
def test_each_file_that_is_named_exists(page: Path) -> None:
    paths = {span for span in spans(page) if is_path(span)}
    assert len(paths) > 8
    missing = [p for p in paths if not ((ROOT / p).exists() or (PACKAGE / p).exists())]
    assert not missing


def test_each_name_exists() -> None:
    names = {span.removesuffix("()") for span in spans(PAGE) if not is_path(span)}
    assert len(names) > 25
    assert not names - defined()


def test_a_name_stands_in_the_file_beside_it() -> None:
    """`name` (`file.py`): the file defines it."""
    text = PAGE.read_text(encoding="utf-8")
    pairs = re.findall(r"`([\w.]+)(?:\(\))?` \(`([\w/]+\.py)`\)", text)
    pairs += re.findall(r"`(\w+)` in `([\w/]+\.py)`", text)
    assert len(pairs) > 12
    wrong = [(name, path) for name, path in pairs if name not in _names_in(path)]
    assert not wrong


def _names_in(path: str) -> set[str]:
    source = (PACKAGE / path).read_text(encoding="utf-8")
    imported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return set(_defined(PACKAGE / path)) - imported


def test_the_plan_shows_every_room_and_every_file_of_the_root() -> None:
    (plan,) = (block for block in blocks(PAGE) if block.language == "none")
    shown, room = set(), ""
    for line in plan.text.splitlines():
        inner = line.startswith(" ")
        for name in re.findall(r"[\w.]+(?:/|\.py)(?= |$)", line[:24]):
            room = room if inner else name
            shown.add(f"{room}{name}" if inner else name)
    there = {path.name for path in PACKAGE.glob("*.py")}
    there |= {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    manager = PACKAGE / "engine_manager"
    there |= {f"engine_manager/{p.parent.name}/" for p in manager.glob("*/__init__.py")}
    assert shown == there | {"host/repairs/"}


def test_each_command_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, flags=re.M))
    named = {m for span in spans(CONTRIBUTING) for m in re.findall(COMMAND, span)}
    assert len(named) > 5 and named <= targets
