"""The command in this process: where only what it says and returns is looked at."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from parallelflow.cli import main

RunHere = Callable[..., "subprocess.CompletedProcess[str]"]


def run_here(capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Return a function that runs the command as one in a process of its own would be run.

    Each of those takes a second to start Python, and one or two more for VisTrails.
    """

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        command = [str(argument) for argument in arguments]
        code = main(command)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(command, code, out, err)

    return run
