"""The options of ``parallelflow run`` about elements: those that fail, and those that are done."""

from __future__ import annotations

import argparse
import math

from parallelflow.errors import shortened
from parallelflow.settings import POLICIES

__all__ = ["add"]


def add(run: argparse.ArgumentParser) -> None:
    """Add the options to the parser of the command."""
    failing = run.add_argument_group(
        "elements that fail or take long",
        "These go before the ports of the Map modules and the configuration.",
    )
    failing.add_argument(
        "--on-error",
        choices=POLICIES,
        metavar="WORD",
        help="stop, 'finish others' first, or continue without those that have failed",
    )
    failing.add_argument(
        "--value-for-failed",
        metavar="VALUE",
        help="what failed elements have with continue, as Python writes it (default: None)",
    )
    failing.add_argument(
        "--element-timeout",
        metavar="SECONDS",
        type=_seconds,
        help="how long an element may take before it is interrupted, and fails (0: no limit)",
    )
    failing.add_argument(
        "--retries",
        metavar="N",
        type=_retries,
        help="how often an element that has raised is tried again, on another engine if there is "
        "one",
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


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number of seconds")
    return number


def _retries(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number of retries: 0 or more")
    return int(text)
