"""Walks through VisTrails' real window, in a process and a home of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.host.run import ROOT
from tests.support import leaks
from tests.support.fork_server import ForkServer

# A guard against deadlocks; a walk takes ten to thirty seconds.
LIMIT = 590


#: How lines begin that the steps themselves print.
OWN = ("passed ", "stopped ", "ended ", "waiting", "running")


def _environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "QT_QPA_PLATFORM": "offscreen",
    }


def _arguments(home: Path, steps: Sequence[str], vistrail: bool) -> list[str]:
    return [*steps, *(["--", str(home / "maps.vt")] if vistrail else [])]


def start(
    home: Path, *steps: str, vistrail: bool = False, program: str = "window_steps"
) -> subprocess.Popen[str]:
    """Open the window and take steps in it; a vistrail is the home's ``maps.vt``."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.gui.{program}", *_arguments(home, steps, vistrail)],
        cwd=ROOT,
        env=_environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Walk(Protocol):
    """See `walk`, which is given the process from which windows are forked."""

    def __call__(
        self, home: Path, *steps: str, vistrail: bool = False, program: str = "window_steps"
    ) -> None:
        """Open the window, take the steps and quit."""


def walk(
    windows: ForkServer,
    home: Path,
    *steps: str,
    vistrail: bool = False,
    program: str = "window_steps",
) -> None:
    """Open the window, take the steps and quit; all must have passed, and the exit is clean."""
    forget_unsaved(home)
    arguments = _arguments(home, steps, vistrail)
    done = windows.run(f"tests.gui.{program}", arguments, _environment(home), LIMIT)
    out, err = done.stdout, done.stderr
    assert done.returncode == 0, f"{out}\n{err}"
    passed = [line.removeprefix("passed ") for line in out.splitlines() if "passed " in line]
    expected = [step for step in steps if step != "quit_by_menu"]
    assert list(dict.fromkeys(passed)) == list(dict.fromkeys(expected)), f"{out}\n{err}"
    # Exceptions in slots end the walk; what else is printed would be on a user's terminal.
    lines = printed(err) + [line for line in out.splitlines() if not line.startswith(OWN)]
    assert not lines, f"{out}\n{err}"


def forget_unsaved(home: Path) -> None:
    """Remove what another walk has left unsaved: a window would ask about it, and wait."""
    for file in (home / ".vistrails" / "autosave").glob("*"):
        file.unlink()


#: Told once for a home, and only where a busy machine takes more than 5 s for it.
FONT_CACHE = re.compile(r".* WARNING:\nMatplotlib is building the font cache; .*\n")


def printed(err: str) -> list[str]:
    """Return what came on stderr, without what Qt says of a window that is on no screen."""
    lines = FONT_CACHE.sub("", err).splitlines()
    return [line for line in lines if not line.startswith("This plugin does not")]


def clusters(others: set[leaks.Left]) -> list[str]:
    """Return the command lines of controllers and engines that run now and did not before."""
    found = leaks.processes_of(os.environ[leaks.VARIABLE]) - others
    commands = [p.command for p in found if "tests.support.fork_server" not in p.command]
    return [each for each in commands if "ipyparallel" in each or ".engine" in each]
