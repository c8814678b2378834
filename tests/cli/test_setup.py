"""``parallelflow setup``: options, questions at a terminal, and what is written."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow.engine_manager.system import profiles
from parallelflow.profile_setup.profile_files import read_answers
from tests.support.command import RunHere, run_here

LIMIT_SECONDS = 120.0
PROFILE = "set-up-at-a-terminal"


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> RunHere:
    return run_here(capsys)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = profiles.profile_folder(PROFILE)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_options_are_written_and_kept_for_the_next_time(here: RunHere, folder: Path) -> None:
    given = ["setup", "slurm", "--profile", PROFILE, "--address", "127.0.0.1"]
    done = here(*given, "--queue", "short", "--wall-time", "90 min")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(folder / "ipcluster_config.py") in done.stdout
    assert f"parallelflow start --profile {PROFILE}" in done.stdout
    again = here(*given)
    assert again.returncode == 0 and "was set up so already" in again.stdout
    # One answer is given, the others stay; an empty one is taken back.
    assert here(*given, "--memory", "2 GB", "--queue", "").returncode == 0
    answers = read_answers(PROFILE)
    assert answers is not None
    assert (answers.queue, answers.wall_time, answers.memory) == ("", 5400, 2048)
    # Another launcher begins without them.
    assert here("setup", "ssh", "--profile", PROFILE, "--machine", "node1=4").returncode == 0
    answers = read_answers(PROFILE)
    assert answers is not None and answers.launcher == "ssh" and not answers.wall_time


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["pigeons"], 2, "invalid choice: 'pigeons'"),
        (["ssh"], 2, "--machine is needed: machines, each with its number"),
        (["ssh", "--machine", "node1=0"], 2, "'0' is not a number of engines for node1"),
        (["ssh", "--machine", "node1", "--queue", "q"], 2, "--queue is nothing that ssh is asked"),
        (["slurm", "--machine", "node1"], 2, "--machine is nothing that slurm is asked for"),
        (["slurm", "--wall-time", "soon"], 2, "'soon' is not a wall time"),
        (["slurm", "--address", "192.0.2.7"], 2, "is not an address of this machine"),
        (["slurm", "--profile", "../up"], 2, "not a valid profile name"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    here: RunHere, folder: Path, arguments: list[str], code: int, says: str
) -> None:
    profile = [] if "--profile" in arguments else ["--profile", PROFILE]
    done = here("setup", *arguments, *profile)
    assert done.returncode == code and says in done.stderr
    first, *more = done.stderr.splitlines()
    assert first.startswith("parallelflow: ")
    assert all(line.startswith("parallelflow: More: ") for line in more)
    assert not folder.exists()


def test_a_broken_file_is_refused(here: RunHere, folder: Path) -> None:
    profiles.ensure_folder(PROFILE)
    (folder / "ipcontroller_config.py").write_text("c = get_config(\n")
    done = here("setup", "slurm", "--profile", PROFILE)
    assert done.returncode == 1 and "ipcontroller_config.py, line 1: " in done.stderr


def test_a_test_without_the_program_says_so(
    here: RunHere, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    setup = ["setup", "lsf", "--profile", PROFILE, "--address", "127.0.0.1", "--test"]
    done = here(*setup, "--progress", "none")
    assert done.returncode == 1
    assert "to do   The launcher 'lsf' needs the program bsub" in done.stdout
    assert "It works" not in done.stdout and not list(folder.glob("setup-test-*"))


class Terminal:
    """The command at a terminal, which somebody sits at."""

    def __init__(self, *arguments: str) -> None:
        self._end, theirs = pty.openpty()
        command = [sys.executable, "-m", "parallelflow", *arguments]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.text = ""

    def read_until(self, words: str) -> None:
        """Read until some words have come that were not there before."""
        seen = len(self.text)
        deadline = time.monotonic() + LIMIT_SECONDS
        while words not in self.text[seen:]:
            assert time.monotonic() < deadline, self.text
            if select.select([self._end], [], [], 0.5)[0]:
                try:
                    self.text += os.read(self._end, 4096).decode()
                except OSError:  # it has ended
                    assert words in self.text[seen:], self.text

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self._end)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_what_is_missing_is_asked_for_at_a_terminal(
    folder: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal("setup", "slurm", "--profile", PROFILE, "--memory", "2 GB")
    terminals.append(terminal)
    for question, answer in (
        ("Queue (", "short\n"),
        ("Account (", "\n"),
        ("Wall time (", "soon\n"),
        ("Wall time (", "90 min\n"),  # asked again, after it was told what is wrong
        ("Engines' Python (", "\n"),
        ("Address to listen on (", "127.0.0.1\n"),
    ):
        terminal.read_until(question)
        terminal.type(answer)
    terminal.read_until("to use it:")
    assert terminal.process.wait(LIMIT_SECONDS) == 0
    assert "'soon' is not a wall time" in terminal.text and "Memory (" not in terminal.text
    answers = read_answers(PROFILE)
    assert answers is not None
    assert (answers.queue, answers.wall_time, answers.memory) == ("short", 5400, 2048)
    assert answers.address == "127.0.0.1"
    # The next time these answers are offered; Ctrl-D in the middle changes nothing.
    terminal = Terminal("setup", "slurm", "--profile", PROFILE)
    terminals.append(terminal)
    terminal.read_until("; - for none) [short]: ")
    terminal.type("-\n")
    terminal.read_until("Account (")
    terminal.type("\x04")
    terminal.read_until("nothing was written")
    assert terminal.process.wait(LIMIT_SECONDS) == 2
    assert read_answers(PROFILE) == answers
