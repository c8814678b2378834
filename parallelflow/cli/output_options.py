"""The options about what a command writes: JSON, progress, messages."""

from __future__ import annotations

import argparse

from .progress_mode import MODES

__all__ = ["Options", "add_json", "add_messages", "add_quiet"]

Options = argparse._ActionsContainer
"""A command's parser, or a group of its options."""


def add_json(command: Options) -> None:
    """Add ``--json``."""
    command.add_argument(
        "--json",
        action="store_true",
        help="print JSON to standard output, and everything else to standard error",
    )


def add_quiet(command: Options, what: str) -> None:
    """Add ``-q`` to a command that shows no progress.

    Parameters
    ----------
    command : ArgumentParser
        The parser of the command.
    what : str
        What is shown with it.
    """
    command.add_argument("-q", "--quiet", action="store_true", help=what)


def add_messages(command: argparse.ArgumentParser, verbose: bool = True) -> None:
    """Add ``--progress``, ``-q`` and ``-v``.

    Parameters
    ----------
    command : ArgumentParser
        The parser of the command.
    verbose : bool
        Whether the command has ``-v``, too.
    """
    group = command.add_argument_group("messages on standard error")
    group.add_argument(
        "--progress",
        choices=MODES,
        default="auto",
        metavar="WORD",
        help="how to show progress: bar, lines, none, or auto: a bar on a terminal, else lines "
        "(default: auto)",
    )
    amount = group.add_mutually_exclusive_group()
    amount.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="show warnings and errors only: no progress, no summary",
    )
    if verbose:
        amount.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            help="show the messages of VisTrails and of the engine manager, too",
        )
