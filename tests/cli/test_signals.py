"""Ctrl-C, SIGTERM and a closed terminal end the command, its engines and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import wait_until

from .conftest import SECONDS, command, environment

# How long the end may take on a busy machine before it counts as a hang. It takes 1 to 3 s.
END_SECONDS = 60.0

pytestmark = pytest.mark.own_cluster


def start(
    cases: Path, case: str, *options: object, before: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Start the command in a session of its own, as a terminal's shell would."""
    return subprocess.Popen(
        [*before, *command("run", f"{cases}:{case}", *options)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the living processes that the command has started, known by pid and start."""
    return psutil.Process(process.pid).children(recursive=True)


def handles(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Return True if a process has a handler of a signal; see proc(5)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all have ended; one that nobody has waited for yet has ended, too."""

    def ended(process: psutil.Process) -> bool:
        try:
            return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return all(map(ended, processes))


def end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send a signal; return the exit code and what was written to standard error."""
    children = family(process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=END_SECONDS)
    wait_until(lambda: gone(children), SECONDS)
    assert "Traceback" not in errors
    return process.returncode, errors


@pytest.mark.parametrize(
    ("number", "code", "name"),
    [
        (signal.SIGINT, 130, "Ctrl-C"),
        (signal.SIGTERM, 143, "SIGTERM"),
        (signal.SIGHUP, 129, "SIGHUP"),
    ],
)
def test_elements_at_work_are_stopped(
    cases: Path, number: signal.Signals, code: int, name: str
) -> None:
    process = start(cases, "slow", "--engines", 2)
    assert process.stderr is not None
    while "/100 elements (" not in process.stderr.readline():
        assert process.poll() is None
    returned, errors = end(process, number)
    assert returned == code
    assert errors.splitlines()[-1] == f"parallelflow: stopped by {name}"


@pytest.mark.parametrize("processes", [0, 1, 4, 9])
def test_a_start_of_engines_is_given_up(cases: Path, processes: int) -> None:
    process = start(cases, "slow", "--engines", 2)
    wait_until(lambda: handles(process, signal.SIGTERM), SECONDS)
    wait_until(lambda: len(family(process)) >= processes, SECONDS)
    returned, _ = end(process, signal.SIGTERM)
    assert returned == 143


SWALLOWED = """
import os, signal, sys, time, weakref
from parallelflow.cli import signals

class Taken:
    pass

class TakenDown:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))

def called(reference):
    os.kill(os.getpid(), int(sys.argv[1]))

try:
    with signals.handled(lambda: print("by force")):
        if sys.argv[2] == "__del__":
            TakenDown()
        else:
            taken = Taken()
            reference = weakref.ref(taken, called)
            del taken
        time.sleep(60)
except signals.Stopped:
    time.sleep(0.1)  # no other one is raised here
    print(signals.exit_code())
"""


@pytest.mark.parametrize("where", ["__del__", "weakref"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_python_swallows_is_raised_again(number: signal.Signals, where: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(int(number)), where], capture_output=True, text=True
    )
    assert (process.stdout, process.stderr) == (f"{128 + number}\n", "")


def test_code_that_swallows_the_interruption_is_ended_all_the_same(cases: Path) -> None:
    process = start(cases, "stubborn")
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGINT)
    # A print that is interrupted before it knows that its line is out writes it again.
    while (line := process.stdout.readline()) == "at work\n":
        pass
    assert line == "swallowed\n"
    assert process.poll() is None, "it was meant to go on after the first signal"
    returned, errors = end(process, signal.SIGINT)  # twice: now
    assert returned == 130
    assert "stopped without waiting any longer" in errors


def test_under_nohup_a_closed_terminal_ends_nothing(cases: Path) -> None:
    process = start(cases, "slow", "--engines", 2, before=("nohup",))
    assert process.stderr is not None
    while "/100 elements (" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    while "/100 elements (" not in process.stderr.readline():
        assert process.poll() is None, "it ended"
    returned, _ = end(process, signal.SIGTERM)
    assert returned == 143
