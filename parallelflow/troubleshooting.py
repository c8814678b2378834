"""The page on troubleshooting, which comes with the package: its sections and their codes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Section", "code_of", "page", "sections"]

# The page comes with the package; in a checkout it is among the documentation.
_PAGES = (
    Path(__file__).with_name("troubleshooting.md"),
    Path(__file__).parents[1] / "docs" / "troubleshooting.md",
)

_SECTION = re.compile(
    r"^### (?P<heading>[^\n]+)\n\n\*(?P<code>PF\d+)\*\n(?P<text>.*?)(?=^##|\Z)", re.M | re.S
)


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    code : str
        Such as ``PF07``; a section keeps it for good.
    heading : str
        What the section is about.
    text : str
        The section without them, as Markdown.
    """

    code: str
    heading: str
    text: str


def page() -> Path | None:
    """Return the page's file, None if it is missing."""
    return next((page for page in _PAGES if page.is_file()), None)


@functools.cache
def sections() -> tuple[Section, ...]:
    """Return the page's sections, in its order; none if the page is missing."""
    try:
        path = page()
        text = path.read_text(encoding="utf-8") if path else ""
    except OSError:  # it is read to say more of an error, and must not hide that one
        text = ""
    return tuple(
        Section(found["code"], found["heading"], found["text"].strip())
        for found in _SECTION.finditer(text)
    )


def code_of(heading: str) -> str | None:
    """Return the code of the section with a heading; None if there is none."""
    return next((s.code for s in sections() if s.heading == heading), None)
