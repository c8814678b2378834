"""The command's arguments and its help."""

from __future__ import annotations

import argparse
import textwrap
from typing import NoReturn

import parallelflow
from parallelflow.errors import MOST_CHARACTERS, printable, shortened

from . import (
    checkpoint_parser,
    cluster_parser,
    completion,
    element_options,
    explain,
    explore_parser,
    output_options,
    runs_parser,
    setup_parser,
)
from .exits import Exit, meanings

__all__ = ["build"]

_DESCRIPTION = """\
Run VisTrails workflows whose Map modules work through their lists in parallel
on IPython engines.
"""

_EXAMPLES = """\
examples:
  parallelflow run sweep.vt                  the latest version
  parallelflow run sweep.vt:final            the version tagged "final"
  parallelflow run sweep.vt --engines 4      on four engines
  parallelflow run old.vt --parallel         all its loops in parallel
  parallelflow explore sweep.vt --set C=1,10 all combinations of parameters
  parallelflow gui sweep.vt                  open it in VisTrails' window
  parallelflow start -n 4                    engines that stay, for all of these

'parallelflow COMMAND --help' tells more about a command.
"""

_RUN_DESCRIPTION = """\
Run a workflow without VisTrails' window. What the workflow prints and the
results of its last modules go to standard output; progress, messages and a
summary go to standard error.
"""

_RUN_EPILOG = """\
examples:
  parallelflow run sweep.vt
  parallelflow run sweep.vt:final --set folds=10 --set "C=[0.1, 1.0]"
  parallelflow run sweep.vt:57 --profile cluster > table.txt
  parallelflow run sweep.vt --report run.html --trace run.csv
  parallelflow run sweep.vt --params-file day7.json --output results.json
  parallelflow run sweep.vt --dry-run
  parallelflow run sweep.vt --detach         goes on without a terminal
  parallelflow run sweep.vt --table values.csv --output results.csv --engines 4
  parallelflow run first.vt second.vt:final --output results.csv

tables of runs:
  The first line of the table (CSV, UTF-8) names the columns. The results have
  the same rows in the same order: the columns of the table, a column for each
  result of the workflow's last modules, and "error". A row that fails leaves
  the others alone. What the runs print goes to standard error. Files of output
  modules get the row's number: plot_03.png. After Ctrl-C the rows that have
  finished are written. A Map in such a run works serially, on its engine.

Ctrl-C:
  At a terminal it asks, while the run goes on: s stops it, as Ctrl-C again
  does, l leaves it running without the terminal (see 'parallelflow attach'),
  g goes on. Elsewhere it stops the run at once. What has finished is kept.
"""

_SHOW_DESCRIPTION = """\
Say what is in a file: its tagged versions, and of one version the aliases with
their values, the loops and which of them run on engines, the branches, the
saved explorations and the packages. Nothing is run.
"""

_SHOW_EPILOG = """\
examples:
  parallelflow show sweep.vt
  parallelflow show sweep.vt:final --json
"""

_GUI_EPILOG = """\
examples:
  parallelflow gui
  parallelflow gui sweep.vt:final
"""

_CHECK_DESCRIPTION = """\
Say what there is here: Python, VisTrails and the repairs that it needs, PyQt5,
ipyparallel, the profiles and the clusters that run; then start an engine, have
it compute an element, and stop it. Each line begins with "fine", with "note"
where only some need it, or with "to do"; the last two say what to do.
"""

_CHECK_EPILOG = """\
examples:
  parallelflow check
  parallelflow check --json
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all errors of the command."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments and exit."""
        message = printable(message)
        if len(message) > MOST_CHARACTERS:
            message = f"{message[:MOST_CHARACTERS]}..."
        self.exit(Exit.MISTAKE, f"parallelflow: {message} (see {self.prog} --help)\n")


def build() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = _Parser(
        prog="parallelflow",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"parallelflow {parallelflow.__version__}"
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", parser_class=_Parser
    )
    _add_run(commands)
    explore_parser.add(commands)
    _add_show(commands)
    _add_gui(commands)
    _add_check(commands)
    runs_parser.add(commands)
    explain.add(commands)
    completion.add(commands)
    setup_parser.add(commands)
    cluster_parser.add(commands)
    checkpoint_parser.add(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        help="run a workflow without the window",
        description=_RUN_DESCRIPTION,
        epilog=_RUN_EPILOG + meanings("run"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "files",
        metavar="FILE[:VERSION]",
        nargs="+",
        help="a vistrail (.vt), and which of its versions: a tag or a number (default: the "
        "latest); several run at the same time, each on one engine",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be run, where, on which engines, and what is there to resume; run and "
        "start nothing",
    )
    runs_parser.add_detach(run)
    _add_values(run)
    loops = run.add_argument_group("which loops run on engines")
    loops.add_argument(
        "--parallel",
        action="store_true",
        help="run all loops on engines that take longer than sending them there: lists that "
        "iterate by themselves, Filter, For, Maps; the file stays as it is",
    )
    loops.add_argument(
        "--parallel-maps",
        action="store_true",
        help="run every Map of Control Flow on engines, however short",
    )
    loops.add_argument(
        "--branches-from-log",
        action="store_true",
        help="run modules at the same time, on engines, that took more than a second when they "
        "were last executed, by VisTrails' log in the file; marked ones run so in any case",
    )
    cluster_parser.add_engines(run)
    element_options.add(run)
    results = run.add_argument_group("results and records")
    results.add_argument(
        "--output",
        "--out",
        dest="out",
        metavar="FILE",
        help="where to write the results: of one run as JSON, to FILE.json (default: nowhere), of "
        "a table of runs as CSV (default: standard output)",
    )
    output_options.add_json(results)
    results.add_argument(
        "--report",
        metavar="FILE",
        help="write a page of HTML about the run: timeline, durations, engines, errors",
    )
    results.add_argument(
        "--trace",
        metavar="FILE",
        help="write a table of the elements as CSV: state, input, engine, start, seconds, "
        "peak memory, error",
    )
    element_options.add_log(results)
    output_options.add_messages(run)


def _add_values(run: argparse.ArgumentParser) -> None:
    values = run.add_argument_group("values of aliases")
    values.add_argument(
        "--set",
        metavar="ALIAS=VALUE",
        dest="aliases",
        type=_alias,
        action="append",
        default=[],
        help="give a value to an alias of the workflow; may be repeated",
    )
    values.add_argument(
        "--params-file",
        metavar="JSON",
        help="give values to aliases by a file: an object of JSON; --set goes before it",
    )
    values.add_argument(
        "--table",
        metavar="CSV",
        help="run once for each row of a table: its columns are aliases, or MODULE.PORT; the runs "
        "are shared out among the engines",
    )


def _add_show(commands: argparse._SubParsersAction[_Parser]) -> None:
    show = commands.add_parser(
        "show",
        help="say what is in a file: versions, aliases, loops, explorations",
        description=_SHOW_DESCRIPTION,
        epilog=_SHOW_EPILOG + meanings("show"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument(
        "file",
        metavar="FILE[:VERSION]",
        help="a vistrail (.vt), and which of its versions: a tag or a number (default: the latest)",
    )
    output_options.add_json(show)


def _add_gui(commands: argparse._SubParsersAction[_Parser]) -> None:
    gui = commands.add_parser(
        "gui",
        help="open VisTrails' window with Parallel Flow in it",
        description=textwrap.dedent(
            """\
            Open VisTrails' window, your own session of it, with Parallel Flow enabled.
            """
        ),
        epilog=_GUI_EPILOG + meanings("gui"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    gui.add_argument(
        "file",
        metavar="FILE[:VERSION]",
        nargs="?",
        help="a vistrail (.vt) to open in it, and which of its versions",
    )


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    checked = commands.add_parser(
        "check",
        help="say what is installed here, and what to do about what is not",
        description=_CHECK_DESCRIPTION,
        epilog=_CHECK_EPILOG + meanings("check"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    output_options.add_json(checked)
    output_options.add_quiet(checked, "show only what there is to do")


def _alias(text: str) -> tuple[str, str]:
    alias, equals, value = text.partition("=")
    if not equals or not alias.strip():
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not of the form ALIAS=VALUE")
    return alias.strip(), value
