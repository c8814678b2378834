"""The command's exit codes: one rule, and what each code means for each command.

``--help`` prints its part of the table, and a test compares the table in docs/commands.md with it.
"""

from __future__ import annotations

import enum
import textwrap

__all__ = ["SIGNALS", "TABLE", "Exit", "meanings"]


class Exit(enum.IntEnum):
    """What the command tells the shell.

    A command ended by a signal returns 128 plus the signal's number, as shells count:
    130 for Ctrl-C (SIGINT), 143 for SIGTERM, 129 for a closed terminal (SIGHUP).
    """

    OK = 0
    FAILED = 1  # the workflow ran and a module failed, or the engines could not be started
    MISTAKE = 2  # the command, the file or this machine is not as it has to be; nothing ran


SIGNALS = "130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP"
"""What is the same for all commands."""

TABLE: dict[str, tuple[str, str, str]] = {
    "run": (
        "the workflow ran, or goes on without a terminal",
        "one of its modules failed or waits for a job, a row failed, or the engines could not be "
        "started",
        "it could not be run (file, version, alias, table, profile, package)",
    ),
    "explore": (
        "all points have results, or it goes on without a terminal",
        "some have failed, or the engines could not be started",
        "nothing was run (file, version, exploration, parameter, profile, package)",
    ),
    "show": ("told", "", "no such file or version, or VisTrails is missing"),
    "gui": ("the window was closed", "", "the window or the file cannot be opened"),
    "check": (
        "workflows can run in parallel here",
        "there is something to do first",
        "there is no working directory or home folder",
    ),
    "runs": ("there are some", "there are none", ""),
    "attach": (
        "the run has ended well",
        "it has failed, or was killed",
        "it could not be run, or there is no such run on this machine",
    ),
    "cancel": (
        "it has ended",
        "it had ended before, or does not end",
        "there is no such run on this machine",
    ),
    "setup": (
        "written; with --test, it works",
        "a file cannot be read or written, or the test has found something to do",
        "an answer is missing or cannot be meant, or is not asked for this launcher",
    ),
    "start": (
        "all engines are ready",
        "the controller or an engine failed, and what had started was stopped again",
        "no such profile or launcher",
    ),
    "info": ("a cluster runs", "none runs, or it does not answer", "no such profile"),
    "profiles": ("told", "", ""),
    "cleanup": (
        "stopped, or nothing to stop",
        "something did not stop, or the answer was no",
        "no such profile, or no terminal to ask at and no --yes",
    ),
    "shutdown": (
        "all is stopped, or no cluster ran",
        "something did not stop, or the answer was no",
        "no such profile, or no terminal to ask at and no --yes",
    ),
    "checkpoints": (
        "done",
        "a session is at work at one that was to be removed",
        "there is none of this name",
    ),
    "explain": ("told", "", "nothing is explained under this code or these words"),
    "completion": ("printed", "", "the library for it is missing"),
}
"""For each command what 0, 1 and 2 mean; empty where the command does not return it."""

WIDTH = 80


def meanings(command: str) -> str:
    """Return the part of a command's help that is about its exit codes.

    Parameters
    ----------
    command : str
        Its name in `TABLE`.
    """
    told = [f"{code} {meaning}" for code, meaning in enumerate(TABLE[command]) if meaning]
    text = textwrap.fill(
        "; ".join([*told, SIGNALS]) + ".",
        WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    return f"\nexit codes:\n{text}\n"
