"""Runs Python code in a fresh interpreter, as another program would."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.support.fork_server import ForkServer

ROOT = Path(__file__).parents[2]

#: A guard against deadlocks; most take a second or two.
LIMIT = 120


def run_python(
    code: str,
    *arguments: str,
    folder: Path = ROOT,
    home: Path | None = None,
    environment: Mapping[str, str] | None = None,
    expect: int = 0,
    limit: float = LIMIT,
    server: ForkServer | None = None,
) -> str:
    """Run code and return what it printed to stdout.

    Parameters
    ----------
    code : str
        Python source; it may be indented.
    *arguments : str
        Become ``sys.argv[1:]``.
    folder : Path
        Where it runs, and what it imports from first.
    home : Path or None
        Its HOME; None: this test run's.
    environment : mapping or None
        Variables to add.
    expect : int
        The exit code it must have.
    limit : float
        Seconds, a guard against deadlocks.
    server : ForkServer or None
        What it is forked from instead of being started.
    """
    variables = {**os.environ, **(environment or {})}
    if home is not None:
        variables["HOME"] = str(home)
    code = textwrap.dedent(code)
    if server is not None:
        result = server.run_code(code, arguments, variables, limit, folder)
    else:
        result = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
        )
    assert result.returncode == expect, f"exit code {result.returncode}\n{result.stderr}"
    return result.stdout
