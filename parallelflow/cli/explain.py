"""``parallelflow explain``: a section of the page on troubleshooting, by its code."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from parallelflow import troubleshooting
from parallelflow.errors import UserMistake, shortened

from .exits import Exit, meanings

__all__ = ["add", "run_command"]

_DESCRIPTION = """\
Say more about an error: what it means, and what to do. The code is at the end
of the error (More: parallelflow explain PF07); without one, all are listed.
"""

_EPILOG = """\
examples:
  parallelflow explain PF07
  parallelflow explain "no engine"              sections with these words
"""

# Lines fit a terminal of the usual width; a wider one is used up to what is easily read.
COLUMNS, MOST_COLUMNS = 80, 100
INDENT = "    "


def add(commands: Any) -> None:
    """Add the command.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` of the whole command returned.
    """
    explain = commands.add_parser(
        "explain",
        help="say more about an error, by its code",
        description=_DESCRIPTION,
        epilog=_EPILOG + meanings("explain"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument("code", metavar="CODE", nargs="?", help="such as PF07, or a few words")


def run_command(options: Namespace) -> int:
    """Print a section, or the list of those that were found.

    Parameters
    ----------
    options : Namespace
        With ``code``.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    UserMistake
        If no section has the code, or the words.
    """
    wanted = (options.code or "").strip()
    found = [s for s in troubleshooting.sections() if s.code == wanted.upper()]
    found = found or [s for s in troubleshooting.sections() if _is_about(s, wanted)]
    if not found:
        raise UserMistake(
            f"Nothing is explained under {shortened(wanted)}; 'parallelflow explain' lists what is."
        )
    if len(found) > 1:
        for section in found:
            print(f"{section.code}  {section.heading}")
        return Exit.OK
    columns = min(max(shutil.get_terminal_size((COLUMNS, 24)).columns, COLUMNS), MOST_COLUMNS)
    print("\n".join(_lines(found[0], columns)))
    return Exit.OK


def _is_about(section: troubleshooting.Section, words: str) -> bool:
    return words.lower() in f"{section.heading}\n{section.text}".lower()


def _lines(section: troubleshooting.Section, columns: int) -> Iterator[str]:
    """Yield a section for reading on a terminal: messages indented, paragraphs filled."""
    yield f"{section.code}  {section.heading}"
    text = re.sub(r"^<!--.*-->\n", "", section.text, flags=re.M)
    for block in re.split(r"^(?:```|~~~)\w*\n", text, flags=re.M):
        for paragraph in filter(None, block.strip("\n").split("\n\n")):
            yield ""
            yield from _paragraph(paragraph, columns, message=_is_message(paragraph, text))


def _is_message(paragraph: str, text: str) -> bool:
    """Return True if a paragraph stands in a block: it is shown as it comes from a program."""
    before = text[: text.index(paragraph)]
    return len(re.findall(r"^(?:```|~~~)", before, flags=re.M)) % 2 == 1


def _paragraph(text: str, columns: int, message: bool) -> Iterator[str]:
    if message:
        for line in text.splitlines():
            yield from textwrap.wrap(
                line,
                columns - 1,
                initial_indent=INDENT,
                subsequent_indent=INDENT + "  ",
                break_on_hyphens=False,
                break_long_words=False,
            )
        return
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)  # a link: its words alone
    plain = re.sub(r"(?<!\w)\*{1,2}([^*]+)\*{1,2}(?!\w)", r"\1", plain).replace("`", "")
    items = re.split(r"\n(?=- )", plain)
    for item in items:
        yield from textwrap.wrap(
            " ".join(item.split()),
            columns - 1,
            subsequent_indent="  " if item.startswith("- ") else "",
            break_on_hyphens=False,
            break_long_words=False,
        )
