"""The arguments of ``parallelflow setup``."""

from __future__ import annotations

import argparse
from typing import Any

from parallelflow.profile_setup.answers import LAUNCHERS

from . import output_options
from .exits import meanings

__all__ = ["ANSWERS", "add"]

_DESCRIPTION = """\
Set a profile up for engines on other machines: by ssh, or as jobs of a batch
system. What is not given by an option is asked for at a terminal. The answers
are written into the profile's own files, ipcluster_config.py and
ipcontroller_config.py, between two marks; what stands outside of them is left
as it is. Given again, it begins with the answers of the last time.
"""

_EPILOG = """\
examples:
  parallelflow setup slurm
  parallelflow setup slurm --queue short --wall-time 1:30 --test
  parallelflow setup ssh --machine node1=4 --machine me@node2=8
                         --python /opt/parallelflow/bin/python
  parallelflow setup slurm --test               try what was set up before

--test starts a controller and one engine, says of each thing that they need
whether it is so, and stops them again. A job may wait in the queue; Ctrl-C
gives it up.
"""

ANSWERS = {
    "machines": "--machine",
    "queue": "--queue",
    "account": "--account",
    "wall_time": "--wall-time",
    "memory": "--memory",
    "python": "--python",
    "address": "--address",
}
"""The option of each question of `parallelflow.profile_setup.answers`."""


def add(commands: Any) -> None:
    """Add the command.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` of the whole command returned.
    """
    setup = commands.add_parser(
        "setup",
        help="set a profile up for engines on other machines",
        description=_DESCRIPTION,
        epilog=_EPILOG + meanings("setup"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    setup.add_argument(
        "launcher",
        metavar="LAUNCHER",
        choices=LAUNCHERS,
        help=f"what starts the engines: {', '.join(LAUNCHERS)}",
    )
    setup.add_argument(
        "--profile",
        metavar="P",
        help="IPython profile, which is made if there is none (default: of the launcher's name)",
    )
    answers = setup.add_argument_group(
        "answers: machines, or jobs", "An empty one is for what the site has."
    )
    answers.add_argument(
        ANSWERS["machines"],
        metavar="HOST=N",
        action="append",
        dest="machines",
        help="for ssh: a machine, [USER@]HOST[:PORT], and how many engines it takes; may be "
        "repeated",
    )
    answers.add_argument(ANSWERS["queue"], metavar="Q", help="queue, or partition, of the jobs")
    answers.add_argument(ANSWERS["account"], metavar="A", help="account, or project, of the jobs")
    answers.add_argument(
        ANSWERS["wall_time"],
        metavar="TIME",
        dest="wall_time",
        help="how long a job may run: 1:30 (hours and minutes), 1:30:00, 90 min, 2 h",
    )
    answers.add_argument(
        ANSWERS["memory"], metavar="M", help="memory for each engine: 500 MB, 2 GB"
    )
    processes = setup.add_argument_group("answers: engines and controller")
    processes.add_argument(
        ANSWERS["python"],
        metavar="PATH",
        help="the engines' Python, with Parallel Flow and VisTrails (default: the path of this "
        "one)",
    )
    processes.add_argument(
        ANSWERS["address"],
        metavar="IP",
        help="the address of this machine that the controller listens on, as the engines reach "
        "it; 0.0.0.0: all (default: the first one that is not 127.0.0.1)",
    )
    setup.add_argument(
        "--test",
        action="store_true",
        help="try it with one engine; without answers, try what was set up before",
    )
    output_options.add_messages(setup, verbose=False)
