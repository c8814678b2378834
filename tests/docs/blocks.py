"""The code blocks of README and docs, and what their marks say of how to run them.

A mark is a comment above a block, ``<!-- test: ... -->``, which no reader of the pages sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(
    r"(?:^[ ]*<!-- test: (?P<mark>[^\n]*) -->\n)?"
    r"^(?P<indent>[ ]*)(?P<fence>`{3,})(?P<language>[^\n`]*)\n"
    r"(?P<text>.*?)"
    r"^(?P=indent)(?P=fence)$",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One block: page, line, language, text without its indentation, and mark."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def place(self) -> str:
        """Return where it stands, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    return list(_blocks(page))


def _blocks(page: Path) -> Iterator[Block]:
    source = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(source):
        indent = len(found["indent"])
        text = "\n".join(line[indent:] for line in found["text"].splitlines())
        line = source.count("\n", 0, found.start("fence")) + 1
        yield Block(page, line, found["language"].strip(), text, found["mark"] or "")


def marked(page: str, mark: str) -> list[Block]:
    """Return the blocks of a page of docs/ whose mark begins with these words."""
    return [b for b in blocks(ROOT / "docs" / page) if b.mark.startswith(mark)]
