"""The arguments of the commands on runs: runs, attach, cancel; and --detach."""

from __future__ import annotations

import argparse
from typing import Any

from parallelflow.errors import shortened

from . import output_options
from .exits import meanings

__all__ = ["add", "add_detach"]

_RUNS = """\
List the runs, the latest last: those of 'parallelflow run' and of VisTrails'
window, each Map a line, and those that go on without a terminal.
"""
_RUNS_EPILOG = """\
examples:
  parallelflow runs
  parallelflow runs -n 100 --json | python3 -m json.tool
"""
_ATTACH = """\
Show a run that was begun with --detach: its output and messages so far, its
progress, and its end. Ctrl-C ends the look at it; the run goes on.
"""
_ATTACH_EPILOG = """\
examples:
  parallelflow attach                    the latest one
  parallelflow attach 3 > table.txt      its standard output
"""
_CANCEL = """\
End a run that was begun with --detach, and the engines that it has started.
The elements that have finished are kept: the same run again resumes.
"""
_CANCEL_EPILOG = """\
example:
  parallelflow cancel 3
"""
_NAME = "its number, as --detach has told and 'parallelflow runs' shows it"


def add(commands: Any) -> None:
    """Add the commands.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` of the whole command returned.
    """
    runs = _add(commands, "runs", "list the runs, under way and past", _RUNS, _RUNS_EPILOG)
    runs.add_argument(
        "-n",
        "--number",
        metavar="N",
        type=_number,
        default=20,
        help="how many, the latest ones (default: 20)",
    )
    output_options.add_json(runs)
    attach = _add(commands, "attach", "show a detached run", _ATTACH, _ATTACH_EPILOG)
    attach.add_argument(
        "run", metavar="RUN", nargs="?", help=f"{_NAME} (default: the latest detached run)"
    )
    output_options.add_messages(attach, verbose=False)
    cancel = _add(commands, "cancel", "end a detached run", _CANCEL, _CANCEL_EPILOG)
    cancel.add_argument("run", metavar="RUN", help=_NAME)


def add_detach(parser: argparse.ArgumentParser) -> None:
    """Add the option that begins a run in a process of its own."""
    parser.add_argument(
        "--detach",
        action="store_true",
        help="go on in the background, also after the terminal is closed: 'parallelflow attach' "
        "shows the run, 'parallelflow cancel' ends it",
    )


def _add(commands: Any, name: str, help_text: str, description: str, epilog: str) -> Any:
    return commands.add_parser(
        name,
        help=help_text,
        description=description,
        epilog=epilog + meanings(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text[:9]) > 0:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number of runs: 1 or more")
    return int(text[:9])
