"""Engines by a real ``mpiexec``: why it refuses, and what becomes of all when one rank dies."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import machines as fleet
from tests.support.machines import Machines

from .commands import Command, make_profile

SESSION = str(Path(__file__).with_name("session.py"))
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@pytest.fixture(autouse=True)
def needed(hosts: Machines) -> None:
    del hosts
    if reason := fleet.why_not("mpiexec"):
        pytest.skip(reason)
    if find_spec("mpi4py") is None:
        pytest.skip("mpi4py is missing (make test-fleet installs it)")


def mpi(hosts: Machines, profile: str, *arguments: str, allowed: bool = True) -> Command:
    env = {**hosts.environment(), **(AS_ROOT if allowed else {})}
    return Command.parallelflow(hosts, *arguments, "--profile", profile, env=env)


def test_an_mpiexec_that_refuses_is_told_with_its_first_lines(hosts: Machines) -> None:
    make_profile(hosts, "refused", "")
    started = mpi(hosts, "refused", "start", "-n", "2", "--launcher", "mpi", allowed=False)
    assert started.wait() == 1
    assert "mpiexec ended at once" in started.text and "did not register" not in started.text
    said = started.text.partition("The first lines of its log:")[2]
    assert "mpiexec has detected an attempt to run as root" in said


def test_a_rank_that_dies_ends_all_and_no_element_is_blamed(hosts: Machines) -> None:
    make_profile(hosts, "ranks", "c.MPIEngineSetLauncher.mpi_args = ['--oversubscribe']")
    assert mpi(hosts, "ranks", "start", "-n", "3", "--launcher", "mpi").wait() == 0
    notes = hosts.folder / "notes-ranks"
    notes.mkdir()
    session = Command(hosts, SESSION, "ranks", "12", str(notes), "0.2", "5")
    # The element is not run in the session's own process, which it would end.
    assert session.wait() == 1, session.text
    assert "was taken away (mpiexec has ended, and with it all its engines: rank" in session.text
    assert "exited on signal 9" in session.text
    assert "ClusterLost: The last engine went away" in session.text
    assert "may have ended it" not in session.text and "it ended" not in session.text
    assert mpi(hosts, "ranks", "cleanup", "-y").wait() == 0
