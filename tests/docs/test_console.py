"""Every command in README and docs is run, and its output compared, loosely.

A block with the mark ``fails`` ends with exit code 1. Numbers, host names and paths may differ;
each line that is shown has to come, in its order, and ``...`` stands for anything. What another
page shows of ``parallelflow check`` has to stand on the commands' page, for which it is run.

The first of a page's commands of ``parallelflow`` is started as a reader's shell starts it, and so
are those of other programs; the others are forked from a process that has the libraries already.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.support.fork_server import ForkServer

# A guard against deadlocks; the longest command runs the whole example.
SECONDS = 280.0

HANGING = 8 * " "

COMMANDS = {
    "parallelflow": "-m parallelflow",
    "ipython": "-m IPython",
    "ipcluster": "-m ipyparallel.cluster",
    "python3": "",
}

CHECK = "parallelflow check"
"""It is about the machine alone, whatever was run before, and takes two seconds of computing."""

CONSOLE = [page for page in PAGES if any(b.language == "console" for b in blocks(page))]


@pytest.fixture
def shell(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Return a folder like a checkout, and an environment in which its commands are found."""
    folder = tmp_path / "checkout"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, arguments in COMMANDS.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / ".ipython"),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "COLUMNS": "80",
    }
    return folder, environment


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """Return a block's commands, each with the lines that are shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{block.place}: a console block begins with a command"
            found[-1][1].append(line)
    return found


def loosely(line: str) -> str:
    """Return a line without what differs from run to run and from machine to machine."""
    line = line.replace(socket.gethostname(), "node7")
    line = re.sub(r"(?<![\w<.])[~/][\w./~-]*", "PATH", line)
    line = re.sub(r"\d+(e-\d+)?([.:]\d+)*", "#", line).replace("*", "")
    line = re.sub(r"; \w+ so short gain nothing on engines", "", line)
    # A quick run on a busy machine may end before the second engine has come.
    line = re.sub(r"# engine\b", "# engines", line)
    # Python 3.13 and later name an option's argument once: "-n, --engines N".
    line = re.sub(r"(--?[\w-]+) [A-Z]+, (--\w)", r"\1, \2", line)
    # Python before 3.14 says which division it is.
    line = line.replace("float division by zero", "division by zero")
    return " ".join(line.split())


def unwrapped(lines: list[str]) -> list[str]:
    """Return lines with what hangs below them, by 8 blanks or more, joined to them."""
    joined: list[str] = []
    for line in lines:
        if joined and joined[-1].strip() and line.strip() and line.startswith(HANGING):
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    return joined


def first_missing(shown: list[str], output: list[str]) -> str | None:
    """Return the first line that is shown and does not come, None if all come in their order."""
    actual = iter([loosely(line) for line in output])
    for line in shown:
        # Progress comes every few seconds: as many lines as the machine is slow.
        if line.strip() in ("", "...") or re.search(r"\w+ \(\d+ %\), .* left", line):
            continue
        wanted = re.compile(re.sub(r"(\\ )?(\\\.){3}", ".*", re.escape(loosely(line))))
        if not any(wanted.fullmatch(came) for came in actual):
            return line
    return None


def missing_line(shown: list[str], output: str) -> str | None:
    """Return the first line that does not come, wherever lines are wrapped.

    That depends on the paths and the digits in them, and on Python's version.
    """
    lines = output.splitlines()
    missing = first_missing(shown, lines)
    if missing is not None and first_missing(unwrapped(shown), unwrapped(lines)) is None:
        return None
    return missing


def of_parallelflow(command: str) -> list[str] | None:
    """Return the arguments of a command of ``parallelflow``; None if it takes a shell.

    The check looks at how its own process was started.
    """
    program, *arguments = shlex.split(command)
    if Path(program).name != "parallelflow" or command == CHECK or re.search(r"[|&;<>$~]", command):
        return None
    return arguments


def shown_of_check() -> str:
    """Return what the commands' page shows of the check of the machine."""
    [text] = [
        "\n".join(shown)
        for block in blocks(ROOT / "docs" / "commands.md")
        if block.language == "console" and not block.mark
        for command, shown in commands(block)
        if command == CHECK
    ]
    return text


@pytest.mark.own_cluster
@pytest.mark.timeout(900)  # the README's example and several clusters, one after the other
@pytest.mark.parametrize("page", CONSOLE, ids=lambda page: page.stem)
def test_the_commands_of_a_page_do_what_it_shows(
    page: Path, shell: tuple[Path, dict[str, str]], sessions: ForkServer
) -> None:
    folder, environment = shell
    was_started = False
    for block in blocks(page):
        if block.language != "console" or block.mark.startswith("skip: "):
            continue
        for command, shown in commands(block):
            if command == CHECK and page.stem != "commands":
                assert missing_line(shown, shown_of_check()) is None, block.place
                continue
            arguments = of_parallelflow(command)
            if arguments is not None and was_started:
                result = sessions.run(
                    "parallelflow", arguments, environment, SECONDS, folder, together=True
                )
            else:
                was_started = was_started or arguments is not None
                result = subprocess.run(
                    ["bash", "-c", command],
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    # As on a terminal: both in the order in which they come.
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=SECONDS,
                )
            where = f"{block.place}: $ {command}\n{result.stdout}"
            assert result.returncode == (1 if block.mark == "fails" else 0), where
            missing = missing_line(shown, result.stdout)
            assert missing is None, f"{where}\nThis line did not come: {missing}"
