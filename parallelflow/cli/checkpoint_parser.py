"""The arguments of ``parallelflow checkpoints``."""

from __future__ import annotations

import argparse
from typing import Any

from . import output_options
from .exits import meanings

__all__ = ["add"]

_DESCRIPTION = """\
Show or remove what unfinished runs have left on disk: the values of the
elements that have finished, from which the next run of the same function
resumes. A run that ends well leaves nothing.
"""

_EPILOG = """\
examples:
  parallelflow checkpoints                 all of them, the oldest first
  parallelflow checkpoints show 1f2e3d4c5b what decides whether a run resumes it
  parallelflow checkpoints remove --all
  parallelflow checkpoints --json          for a script
"""


def add(commands: Any) -> None:
    """Add the command.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` of the whole command returned.
    """
    parser = commands.add_parser(
        "checkpoints",
        help="show or remove what unfinished runs have left",
        description=_DESCRIPTION,
        epilog=_EPILOG + meanings("checkpoints"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", "remove"),
        metavar="list|show|remove",
        default="list",
        help="what to do (default: list)",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="names, as list shows them")
    parser.add_argument("--all", action="store_true", help="with remove: all of them")
    output_options.add_json(parser)
