"""The commands' page: its table of exit codes is the code's, and every command has its part."""

from __future__ import annotations

import argparse
import re

import pytest

from parallelflow.cli import parser
from parallelflow.cli.cluster_parser import OTHER_NAMES
from parallelflow.cli.exits import SIGNALS, TABLE, meanings
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers by the commands' own names."""
    [action] = [a for a in parser.build()._actions if isinstance(a, argparse._SubParsersAction)]
    return {name: p for name, p in action.choices.items() if name not in OTHER_NAMES}


def test_every_command_is_in_the_table_of_exit_codes() -> None:
    assert set(TABLE) == set(commands())
    for name, command in commands().items():
        assert command.epilog is not None and command.epilog.endswith(meanings(name)), name


def test_the_page_has_the_table_of_the_code() -> None:
    section = re.search(r"^## Exit codes\n(.*?)(?=^## )", PAGE, re.M | re.S)
    assert section is not None and SIGNALS in " ".join(section[1].split())
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", section[1], re.M)
    shown = {name: tuple(cell.strip("- ") for cell in cells) for name, *cells in rows}
    assert shown == TABLE


def test_every_command_has_its_help_on_the_page() -> None:
    for name in commands():
        assert f"$ parallelflow {name} --help\n" in PAGE, name


def test_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name, command in commands().items():
        assert max(map(len, command.format_help().splitlines())) <= 80, name


def test_options_have_their_defaults_at_the_end_and_stand_in_groups() -> None:
    for name, command in commands().items():
        for action in command._actions:
            text = action.help or ""
            if "(default: " in text and action.option_strings:
                assert text.endswith(")"), (name, text)
        for group in command._action_groups:
            assert len(group._group_actions) <= 6, (name, group.title)
