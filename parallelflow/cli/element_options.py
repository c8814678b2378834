"""Options about elements, rows and points: those that fail, take long, or are done already."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from parallelflow.errors import shortened
from parallelflow.settings import (
    CONTINUE,
    FINISH_OTHERS,
    POLICIES,
    STOP,
    overridden,
    override,
    settings,
)
from parallelflow.work.python_value import python_value

from .output_options import Options

if TYPE_CHECKING:
    from parallelflow.work.policy import ElementPolicy

__all__ = ["add", "add_log", "leaves_out", "override_settings", "point_policy"]

OF_ELEMENTS = """\
These hold for every loop on engines, and go before the ports of the Map
modules and the configuration. With --table, or several files, a row is an
element."""
_ON_ERROR = "as configured, else stop; of rows: finish others)"
OF_POINTS = "A point is an element."


def add(run: argparse.ArgumentParser, points: bool = False) -> None:
    """Add the options to the parser of a command.

    Parameters
    ----------
    run : argparse.ArgumentParser
        The command's.
    points : bool
        Whether it has points for elements.
    """
    description = OF_POINTS if points else OF_ELEMENTS
    failing = run.add_argument_group("elements that fail or take long", description)
    failing.add_argument(
        "--on-error",
        choices=POLICIES,
        metavar="WORD",
        help="stop, 'finish others' first, or continue without those that have failed (default: "
        + ("finish others)" if description == OF_POINTS else _ON_ERROR),
    )
    failing.add_argument(
        "--value-for-failed",
        metavar="VALUE",
        help="what failed elements have with continue, as Python writes it (default: as "
        "configured, else None)",
    )
    failing.add_argument(
        "--element-timeout",
        metavar="SECONDS",
        type=_seconds,
        help="how long an element may take before it is interrupted, and fails; 0 is no limit "
        "(default: as configured, else 0)",
    )
    failing.add_argument(
        "--retries",
        metavar="N",
        type=_retries,
        help="how often an element that has raised is tried again, on another engine if there is "
        "one (default: as configured, else 0)",
    )
    failing.add_argument(
        "--element",
        metavar="N",
        type=_element,
        # Where it is refused it must not be taken for the beginning of --element-timeout.
        help=argparse.SUPPRESS
        if points
        else "run only the element with this index (the first is 0) of the Map, in this process "
        "and without engines, so that a debugger can be used in it; of several Maps, that of "
        "LABEL:N",
    )
    done = run.add_argument_group(
        "elements that are done",
        "What has finished is kept until the run ends well, and a later run resumes.",
    )
    done.add_argument(
        "--no-resume",
        action="store_true",
        help="compute all elements, also those that an earlier run has finished",
    )
    done.add_argument(
        "--failed",
        action="store_true",
        help="compute only what the last run of the file has left: what has failed, and what was "
        "not reached; refuse if it has left nothing",
    )


def add_log(parser: Options) -> None:
    """Add the option for VisTrails' log."""
    parser.add_argument(
        "--save-log",
        metavar="FILE.vt",
        help="save the file, under a new name, with VisTrails' log of the executions: modules, "
        "times, engines, errors; of rows and points with their parameters",
    )


def override_settings(options: argparse.Namespace) -> None:
    """Have the options go before ports and configuration."""
    from .detached import continues  # not for --help

    if options.value_for_failed is not None:
        python_value(options.value_for_failed)
    override(
        onError=options.on_error,
        elementTimeout=options.element_timeout,
        retries=options.retries,
        chunkSize=options.chunk_size,
        valueForFailed=options.value_for_failed,
        resume=False if options.no_resume and not continues() else None,
        branchesFromLog=getattr(options, "branches_from_log", False) or None,
    )


def point_policy() -> ElementPolicy:
    """Return what becomes of rows and points that fail or take long, by options and settings."""
    from parallelflow.work.policy import ElementPolicy

    known = settings()
    on_error = overridden("onError") or FINISH_OTHERS
    return ElementPolicy(on_error == STOP, known.elementTimeout or None, known.retries)


def leaves_out() -> tuple[bool, Any]:
    """Return whether the command goes on without rows and points that fail, and their value."""
    return overridden("onError") == CONTINUE, python_value(settings().valueForFailed)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number of seconds")
    return number


def _element(text: str) -> tuple[str, int]:
    """Return the loop's label, empty if none is given, and the element's index."""
    label, _, number = text.rpartition(":")
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        raise argparse.ArgumentTypeError(
            f"{shortened(text)} is not the index of an element: N or LABEL:N"
        )
    return label, int(number)


def _retries(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number of retries: 0 or more")
    return int(text)
