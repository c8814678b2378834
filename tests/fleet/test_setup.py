"""``parallelflow setup --test`` on a real Slurm and with real ssh servers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from tests.support.batch import Slurm
from tests.support.machines import Machines
from tests.support.waiting import wait_until

from .commands import Command
from .test_ssh_start import engines_of

HEAD = "10.77.0.1"


def set_up(machines: Machines, *arguments: str, slurm: Slurm | None = None) -> Command:
    environment = slurm.environment() if slurm is not None else None
    return Command.parallelflow(machines, "setup", *arguments, env=environment)


def findings(command: Command) -> list[tuple[str, str]]:
    """Return the states and the texts of what was found, each as one line."""
    text = re.sub(r"\n {8,}", " ", command.text)
    return re.findall(r"^(fine|note|to do) +(.*)$", text, re.M)


def has(found: list[tuple[str, str]], state: str, words: str) -> bool:
    return any(state == each and re.search(words, text) for each, text in found)


def test_a_setup_for_slurm_works_and_leaves_nothing_running(slurm: Slurm) -> None:
    answers = ["--queue", "short", "--wall-time", "10 min", "--memory", "500 MB", "--address", HEAD]
    command = set_up(slurm.machines, "slurm", *answers, "--test", slurm=slurm)
    assert command.wait() == 0, command.text
    found = findings(command)
    assert has(found, "fine", r"^node\d: job \d+ runs: an engine has joined after"), command.text
    assert has(found, "fine", rf"{sys.executable} has Python .*: the same as here")
    assert has(found, "fine", "the home folder is shared with this machine")
    assert has(found, "fine", rf"reaches the controller at {HEAD}:\d+")
    assert {state for state, _ in found} == {"fine"} and "It works" in command.text
    assert "unknown" not in command.text  # a VisTrails whose distribution states no version
    wait_until(lambda: not slurm.jobs())
    folder = slurm.machines.home("head") / ".ipython" / "profile_slurm"
    assert not list(folder.glob("setup-test-*")) and not list(folder.glob("security/*.json"))
    # What was set up is what a start uses.
    started = Command.parallelflow(
        slurm.machines, "start", "-n", "2", "--profile", "slurm", env=slurm.environment()
    )
    assert started.wait() == 0, started.text
    [job] = slurm.jobs()
    shown = slurm.run(f"scontrol show job {job}")
    assert "TimeLimit=00:10:00" in shown and "Partition=short" in shown and "NumTasks=2" in shown
    slurm.cancel_all()


@pytest.fixture(autouse=True)
def no_job_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "slurm" in request.fixturenames:
        request.getfixturevalue("slurm").cancel_all()


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (["--python", "/opt/missing/python"], r"ended: FAILED"),
        (["--queue", "nowhere"], r"sbatch says: .*invalid partition"),
        (["--queue", "tiny", "--wall-time", "10 min"], r"can never start: PartitionTimeLimit"),
        # The nodes cannot reach it there.
        (["--address", "127.0.0.1"], r"could not reach the controller"),
    ],
)
def test_what_is_wrong_with_a_setup_for_slurm_is_found(
    slurm: Slurm, answers: list[str], says: str
) -> None:
    arguments = ["slurm", "--profile", "wrong", "--queue", "", "--wall-time", "", "--python", ""]
    command = set_up(slurm.machines, *arguments, "--address", HEAD, *answers, "--test", slurm=slurm)
    assert command.wait() == 1, command.text
    assert has(findings(command), "to do", says), command.text
    wait_until(lambda: not slurm.jobs())


def test_a_test_that_waits_in_the_queue_is_given_up_by_ctrl_c(slurm: Slurm) -> None:
    blocker = slurm.run("sbatch --parsable -N3 --exclusive -o /dev/null --wrap 'sleep 600'").strip()
    wait_until(lambda: slurm.jobs().get(blocker) == "RUNNING")
    arguments = ["slurm", "--profile", "queued", "--address", HEAD, "--test"]
    command = set_up(slurm.machines, *arguments, slurm=slurm)
    command.wait_for("queued: Resources")
    assert command.interrupt() == 130, command.text
    assert list(slurm.jobs()) == [blocker]


def test_a_setup_for_ssh_is_tried_on_each_machine(hosts: Machines) -> None:
    machines = [option for node in hosts.nodes for option in ("--machine", f"{node}=2")]
    python = ["--python", sys.executable, "--address", HEAD]
    command = set_up(hosts, "ssh", *machines, *python, "--test")
    assert command.wait() == 0, command.text
    found = findings(command)
    for node in hosts.nodes:
        assert has(found, "fine", rf"^{node}: reached by ssh"), command.text
        assert has(found, "fine", rf"^{node}: {sys.executable} has .*: the same as here")
        assert has(found, "fine", rf"^{node}: the home folder is not shared")
        assert has(found, "fine", rf"^{node}: reaches the controller at {HEAD}:\d+")
    assert has(found, "fine", r"^node1: an engine has joined after")
    wait_until(lambda: not engines_of(hosts))


def test_machines_that_cannot_be_used_by_ssh_are_named_with_the_reason(hosts: Machines) -> None:
    machines = ["--machine", "node1=2", "--machine", "nobody@node2=1", "--machine", "node9=1"]
    command = set_up(
        hosts, "ssh", "--profile", "bad", *machines, "--python", sys.executable, "--test"
    )
    assert command.wait() == 1, command.text
    found = findings(command)
    assert has(found, "fine", "^node1: reached by ssh")
    assert has(found, "to do", r"^nobody@node2: .*Permission denied"), command.text
    assert has(found, "to do", r"^node9: .*not resolve"), command.text
    assert has(found, "note", "no engine was started")
    again = set_up(
        hosts, "ssh", "--profile", "bad", "--machine", "node1=1", "--python", "/opt/no", "--test"
    )
    assert again.wait() == 1 and has(findings(again), "to do", "^node1: there is no /opt/no")
    assert not engines_of(hosts)
