"""Tab completion, by argcomplete: commands, options, files, tags of versions, profiles.

The shell asks the command itself what could come next, by the environment variable
``_ARGCOMPLETE``. Nothing but the parsers is loaded for an answer.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from parallelflow import troubleshooting
from parallelflow.errors import ParallelFlowError, UserMistake

from . import cluster_parser, peek, target
from .exits import Exit, meanings

__all__ = ["COMPLETERS", "SHELLS", "activate", "add", "run_command"]

SHELLS = ("bash", "zsh", "fish")

_ASKED = "_ARGCOMPLETE"
"""The environment variable by which a shell asks."""

_DESCRIPTION = """\
Print the lines that make a shell complete commands, options, profiles, files
and, after the colon, the tags of a file's versions.
"""

_EPILOG = """\
examples:
  eval "$(parallelflow completion bash)"        a line for ~/.bashrc
  eval "$(parallelflow completion zsh)"         for ~/.zshrc, after compinit
  parallelflow completion fish | source         a line for config.fish
"""


def add(commands: Any) -> None:
    """Add the command ``completion``.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` of the whole command returned.
    """
    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete these commands",
        description=_DESCRIPTION,
        epilog=_EPILOG + meanings("completion"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument(
        "shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}"
    )


def run_command(options: Namespace) -> int:
    """Print a shell's lines.

    Parameters
    ----------
    options : Namespace
        With ``shell``.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    UserMistake
        If the library is missing.
    """
    print(_argcomplete().shellcode(["parallelflow"], shell=options.shell))
    return Exit.OK


def activate(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what could come next, and end the process; else do nothing.

    Parameters
    ----------
    parser : ArgumentParser
        The parser of the whole command.
    """
    if _ASKED not in os.environ:
        return
    for command in _commands(parser):
        for action in command._actions:
            completer = COMPLETERS.get(str(action.metavar))
            if completer is not None:
                action.completer = completer  # type: ignore[attr-defined]
    try:
        _argcomplete().autocomplete(parser)
    except UserMistake:
        raise SystemExit(Exit.MISTAKE) from None  # a line in the middle of one's typing is no help


def _argcomplete() -> Any:
    try:
        return importlib.import_module("argcomplete")
    except ImportError:
        raise UserMistake(
            "Tab completion needs the library argcomplete, which this Python does not have. "
            f"Install it with '{sys.executable} -m pip install argcomplete'."
        ) from None


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return [
        command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for command in action.choices.values()
    ]


def complete_target(prefix: str, **_asked: Any) -> list[str]:
    """Return the files that FILE[:VERSION] could mean; after a file's colon, its tags.

    Parameters
    ----------
    prefix : str
        What has been typed.
    """
    path, colon, _version = prefix.partition(".vt:")
    if not colon:
        completers = importlib.import_module("argcomplete.completers")
        return list(completers.FilesCompleter(["vt"])(prefix))
    try:
        tree = target.read(target.parse(f"{path}.vt").path)
    except ParallelFlowError:
        return []
    return [f"{path}.vt:{tag}" for tag in peek.tags(tree)]


def _profiles(**_asked: Any) -> list[str]:
    from parallelflow.engine_manager.system.profiles import names

    return names()


def _launchers(**_asked: Any) -> list[str]:
    return list(cluster_parser.LAUNCHERS)


def _aliases(parsed_args: Namespace, **_asked: Any) -> list[str]:
    """Return the aliases of the file that is named before, each with its equals sign."""
    named = getattr(parsed_args, "files", None) or [getattr(parsed_args, "file", None)]
    try:
        tree = target.read(target.parse(str(named[0])).path)
    except ParallelFlowError:
        return []
    return [f"{alias}=" for alias in peek.aliases(tree)]


def _detached(**_asked: Any) -> list[str]:
    from parallelflow.runs.detached import list_detached

    return [str(run.number) for run in list_detached()]


def _codes(**_asked: Any) -> list[str]:
    return [section.code for section in troubleshooting.sections()]


def _checkpoints(**_asked: Any) -> list[str]:
    from parallelflow.checkpoints.folder import list_kept

    return [kept.name for kept in list_kept()]


COMPLETERS: dict[str, Callable[..., list[str]]] = {
    "FILE[:VERSION]": complete_target,
    "P": _profiles,
    "LAUNCHER": _launchers,
    "ALIAS=VALUE": _aliases,
    "PARAMETER=VALUE,...": _aliases,
    "PARAMETER=FROM,TO,STEPS": _aliases,
    "RUN": _detached,
    "CODE": _codes,
    "NAME": _checkpoints,
}
"""What completes an argument, by the word that stands for it in the help."""
