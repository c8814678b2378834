"""The arguments of the commands on clusters: start, info, profiles, cleanup, shutdown."""

from __future__ import annotations

import argparse
import math
from typing import Any

from parallelflow.errors import shortened

from . import output_options
from .exits import meanings

__all__ = ["COMMANDS", "LAUNCHERS", "OTHER_NAMES", "add", "add_engines"]

COMMANDS = ("start", "info", "profiles", "cleanup", "shutdown")

LAUNCHERS = ("local", "ssh", "sshproxy", "mpi", "slurm", "pbs", "sge", "lsf", "htcondor")
"""Launchers by the names that ``--launcher`` takes; others may be installed."""

OTHER_NAMES = {"status": "info", "stop": "shutdown"}
"""What commands are called elsewhere, with their own names."""

_START = """\
Start new engine processes on this machine, or by another of ipyparallel's
launchers; a controller first, if the profile has none. They are left running
when the command ends: 'parallelflow run', VisTrails and any other client of
the profile use them, 'parallelflow cleanup' stops them. After Ctrl-C, or if an
engine fails, what had started is stopped again.
"""
_START_EPILOG = """\
examples:
  parallelflow start                            an engine for each free core
  parallelflow start -n 4 --profile work
  parallelflow start -n 64 --launcher slurm --dry-run
                                                the job script, nothing started
  parallelflow start --launcher slurm --min 0 --max 64
                                                as many as the work needs
"""
_INFO = """\
Show information on the cluster of a profile: its controller, its engines by
host, what they work at and who started them. Engines are not disturbed.
"""
_INFO_EPILOG = """\
examples:
  parallelflow info
  parallelflow info --watch                     again every second, until Ctrl-C
  parallelflow info --json --profile work | python3 -m json.tool
"""
_PROFILES = """\
List the IPython profiles and the clusters that run on each, also those that
were started by other programs.
"""
_PROFILES_EPILOG = """\
examples:
  parallelflow profiles
  parallelflow profiles --json
"""
_CLEANUP = """\
Clean up started processes: say what Parallel Flow has started on a profile and
who did, and stop what was left running. What a session that is open has
started is its own to stop; what other programs have started is not touched.
"""
_CLEANUP_EPILOG = """\
examples:
  parallelflow cleanup
  parallelflow cleanup --profile work --yes     without a question
"""
_SHUTDOWN = """\
Request cluster shutdown: have the hub of the profile's cluster stop everything,
also what others have started and on other machines. Running tasks are lost.
"""
_SHUTDOWN_EPILOG = """\
examples:
  parallelflow shutdown
  parallelflow shutdown --profile work --yes    without a question
"""


_FOLLOW = """\
With --max, engines are started when elements wait, and stopped when they have
no work: each as a process, or a job, of its own."""

_ENGINES = """\
A running cluster of the profile is used as it is, and left running; with
--engines, missing engines are added. Where none runs, one is started for
this run and stopped after it."""

PROFILE_HELP = "IPython profile (default: the one chosen last in the window, else default)"


def add(commands: Any) -> None:
    """Add the commands.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` of the whole command returned.
    """
    start = _add(commands, "start", "start new engine processes", _START, _START_EPILOG)
    start.add_argument(
        "-n",
        "--engines",
        metavar="N",
        dest="number",
        action=_NumberOfEngines,
        help="how many engines (default: one for each core without an engine)",
    )
    start.add_argument(
        "--launcher",
        metavar="LAUNCHER",
        type=launcher,
        help=f"how to start them: {', '.join(LAUNCHERS)} "
        "(default: as the configuration or the profile says, else local)",
    )
    start.add_argument(
        "--dry-run",
        action="store_true",
        help="show the command or job script that would be run, and start nothing",
    )
    output_options.add_json(start)
    output_options.add_messages(start, verbose=False)
    follow = start.add_argument_group("as many engines as the work needs", _FOLLOW)
    follow.add_argument(
        "--min",
        metavar="N",
        type=least_number,
        help="how many engines at the least (default: 0)",
    )
    follow.add_argument(
        "--max",
        metavar="N",
        type=number_of_engines,
        help="how many engines at the most",
    )
    follow.add_argument(
        "--idle",
        metavar="SECONDS",
        type=idle_seconds,
        help="for how long an engine may have no work (default: 60)",
    )
    info = _add(commands, "info", "show information on the cluster", _INFO, _INFO_EPILOG)
    form = info.add_mutually_exclusive_group()
    form.add_argument("--watch", action="store_true", help="again every second, until Ctrl-C")
    output_options.add_json(form)
    listing = _add(
        commands, "profiles", "list the profiles and what runs", _PROFILES, _PROFILES_EPILOG, False
    )
    output_options.add_json(listing)
    cleanup = _add(commands, "cleanup", "clean up started processes", _CLEANUP, _CLEANUP_EPILOG)
    shutdown = _add(commands, "shutdown", "request cluster shutdown", _SHUTDOWN, _SHUTDOWN_EPILOG)
    for command in (cleanup, shutdown):
        command.add_argument("-y", "--yes", action="store_true", help="do not ask")
        output_options.add_quiet(command, "show only what did not stop, and the question")


def add_engines(command: argparse.ArgumentParser) -> None:
    """Add the options of a command that works with engines, and starts them where none run.

    Parameters
    ----------
    command : ArgumentParser
        The parser of the command.
    """
    engines = command.add_argument_group("engines", _ENGINES)
    engines.add_argument(
        "-n",
        "--engines",
        metavar="N",
        type=number_of_engines,
        help="how many engines to work with (default: those that run; where none run, the "
        "configured number, else one per core)",
    )
    engines.add_argument(
        "--launcher",
        metavar="LAUNCHER",
        type=launcher,
        help="how to start engines, if some are to be started: local, ssh, slurm, ... (default: as "
        "the configuration or the profile says, else local)",
    )
    engines.add_argument("--profile", metavar="P", help=PROFILE_HELP)
    engines.add_argument(
        "--chunk-size",
        metavar="N",
        type=_chunk_size,
        help="how many elements travel together (default: as configured, else by the time "
        "that they take)",
    )


def _add(
    commands: Any, name: str, short: str, description: str, epilog: str, profile: bool = True
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        aliases=[other for other, own in OTHER_NAMES.items() if own == name],
        help=short,
        description=description,
        epilog=epilog + meanings(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if profile:
        command.add_argument("--profile", metavar="P", help=PROFILE_HELP)
    return command


class _NumberOfEngines(argparse.Action):
    """Stores the number of engines; takes a launcher's name, as ``--engines`` once had it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the number, or the launcher with a note that the option is called otherwise."""
        try:
            if option_string == "--engines" and not _is_number(values):
                namespace.launcher = launcher(values)
                namespace.renamed = f"the launcher is --launcher {values}; --engines is a number"
                return
            setattr(namespace, self.dest, number_of_engines(values))
        except argparse.ArgumentTypeError as e:
            raise argparse.ArgumentError(self, str(e)) from e


def _is_number(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def launcher(text: str) -> str:
    """Return a launcher's name as the user gave it.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is blank, or a number.
    """
    if text.isdigit():
        raise argparse.ArgumentTypeError(
            f"{text} is no launcher; the number of engines is -n {text}"
        )
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no launcher; leave the option out")
    return text


def least_number(text: str) -> int:
    """Return the least number of engines, which may be 0.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    return 0 if text.strip() == "0" else number_of_engines(text)


def idle_seconds(text: str) -> float:
    """Return a number of seconds above 0.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number of seconds above 0")
    return seconds


def number_of_engines(text: str) -> int:
    """Return a number of engines, at least 1.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number of engines: 1 or more")
    return number


def _chunk_size(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(
            f"{shortened(text)} is not a number of elements: 1 or more"
        )
    return int(text)
