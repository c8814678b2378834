"""The arguments of ``parallelflow explore``."""

from __future__ import annotations

import argparse
from typing import Any

from parallelflow.errors import shortened

from . import cluster_parser, element_options, output_options
from .exits import meanings
from .runs_parser import add_detach

__all__ = ["add", "split_values"]

_DESCRIPTION = """\
Run a workflow for all combinations of parameter values: a parameter
exploration, without VisTrails' window. The points are computed on engines;
what no parameter reaches is computed once.
"""

_EPILOG = """\
examples:
  parallelflow explore sweep.vt                        the only saved one
  parallelflow explore sweep.vt --name "C by gamma" --table out.csv
  parallelflow explore sweep.vt --set C=0.1,1,10 --range gamma=0,1,11 -n 4

values:
  Parameters are aliases, or MODULE.PORT. The last one varies fastest. Commas in
  brackets or double quotes do not separate: --set 'folds=[2,3],[4]'.

results:
  A table (CSV) with a row for each point: its parameters, a column for each
  result of the workflow's last modules, and "error". What the points print goes
  to standard error. Files of output modules get the point's number:
  plot_03.png. After Ctrl-C the points that have finished are written. At a
  terminal it asks first, as 'parallelflow run' does: l leaves it running.
"""

#: Brackets within which a comma belongs to the value.
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def add(commands: Any) -> None:
    """Add the command.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` of the whole command returned.
    """
    explore = commands.add_parser(
        "explore",
        help="run a workflow for all combinations of parameters",
        description=_DESCRIPTION,
        epilog=_EPILOG + meanings("explore"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explore.add_argument(
        "file",
        metavar="FILE[:VERSION]",
        help="a vistrail (.vt), and which of its versions: a tag or a number (default: that of "
        "the exploration, or the latest)",
    )
    add_detach(explore)
    values = explore.add_argument_group("values of parameters")
    values.add_argument(
        "--name",
        metavar="EXPLORATION",
        help="a parameter exploration that is saved in the file (default: the version's only one)",
    )
    values.add_argument(
        "--set",
        metavar="PARAMETER=VALUE,...",
        dest="axes",
        type=_values,
        action="append",
        default=[],
        help="the values of a parameter; may be repeated",
    )
    values.add_argument(
        "--range",
        metavar="PARAMETER=FROM,TO,STEPS",
        dest="axes",
        type=_range,
        action="append",
        help="so many values of a parameter, the two ends included; may be repeated",
    )
    shared = explore.add_argument_group("what no parameter reaches")
    shared.add_argument(
        "--branches-from-log",
        action="store_true",
        help="before the points, run modules at the same time, on engines, that took more than a "
        "second when they were last executed, by VisTrails' log in the file; marked ones run so "
        "in any case",
    )
    cluster_parser.add_engines(explore)
    element_options.add(explore, points=True)
    results = explore.add_argument_group("results and records")
    results.add_argument(
        "--table",
        metavar="CSV",
        help="where to write the table of results (default: standard output)",
    )
    element_options.add_log(results)
    output_options.add_messages(explore)


def _named(text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not of the form {form}")
    return name.strip(), value


def _values(text: str) -> tuple[str, tuple[str, ...]]:
    name, value = _named(text, "PARAMETER=VALUE,...")
    return name, tuple(split_values(value))


def _range(text: str) -> tuple[str, tuple[str, ...], int]:
    name, value = _named(text, "PARAMETER=FROM,TO,STEPS")
    parts = value.split(",")
    if len(parts) != 3 or not parts[2].strip().isdecimal() or not 0 < int(parts[2][:9]) < 10**7:
        raise argparse.ArgumentTypeError(
            f"{shortened(text)} is not of the form PARAMETER=FROM,TO,STEPS, with 1 step or more"
        )
    return name, (parts[0].strip(), parts[1].strip()), int(parts[2])


def split_values(text: str) -> list[str]:
    """Return the values of a list with commas; those in brackets or double quotes do not separate.

    Parameters
    ----------
    text : str
        The list. Double quotes around a whole value are removed.
    """
    values, closing, quoted, value = [], [], False, ""
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in _BRACKETS:
            closing.append(_BRACKETS[character])
        elif not quoted and closing and character == closing[-1]:
            closing.pop()
        elif character == "," and not quoted and not closing:
            values.append(value)
            value = ""
            continue
        value += character
    values.append(value)
    return [_unquoted(value.strip()) for value in values]


def _unquoted(value: str) -> str:
    whole = len(value) > 1 and value[0] == value[-1] == '"' and value.count('"') == 2
    return value[1:-1] if whole else value
