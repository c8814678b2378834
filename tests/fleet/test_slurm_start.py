"""Starts by a real Slurm: what it says of the jobs is told, and why one fails or cannot start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.batch import Slurm
from tests.support.waiting import wait_until

from .commands import Command, slurm_profile

# What the job's log holds is told beside what the batch system says.
NO_PYTHON = 'c.SlurmEngineSetLauncher.engine_cmd = ["/opt/missing/python"]'


@pytest.fixture(autouse=True)
def no_job_is_left(slurm: Slurm) -> Iterator[None]:
    yield
    slurm.cancel_all()


def start(slurm: Slurm, profile: str, n: int) -> Command:
    arguments = ("start", "-n", str(n), "--profile", profile)
    return Command.parallelflow(slurm.machines, *arguments, env=slurm.environment())


def test_a_job_that_fails_is_told_with_its_reason_and_its_log(slurm: Slurm) -> None:
    folder = slurm_profile(slurm, "failing", NO_PYTHON)
    started = start(slurm, "failing", 2)
    assert started.wait() == 1
    assert "(slurm) ended: FAILED" in started.text
    assert "/opt/missing/python" in started.text and "None of the 2 engines" in started.text
    logs = [path for path in (folder / "log").glob("*.log") if "missing" in path.read_text()]
    assert len(logs) == 1 and logs[0].name in started.text  # where the reason can be read later


def test_a_job_that_can_never_start_is_told_and_deleted(slurm: Slurm) -> None:
    options = 'c.SlurmLauncher.queue = "tiny"\nc.SlurmLauncher.timelimit = "10"\n'
    slurm_profile(slurm, "never", options)
    started = start(slurm, "never", 1)
    assert started.wait() == 1
    assert "(slurm) can never start: PartitionTimeLimit" in started.text
    wait_until(lambda: not slurm.jobs())


def test_what_sbatch_says_when_it_refuses_is_told(slurm: Slurm) -> None:
    slurm_profile(slurm, "refused", 'c.SlurmLauncher.queue = "nowhere"')
    started = start(slurm, "refused", 1)
    assert started.wait() == 1
    assert "sbatch says:" in started.text and "invalid partition specified: nowhere" in started.text


def test_a_job_that_waits_tells_why_and_joins_when_there_is_room(slurm: Slurm) -> None:
    slurm_profile(slurm, "waiting")
    blocker = slurm.run("sbatch --parsable -N3 --exclusive -o /dev/null --wrap 'sleep 600'").strip()
    wait_until(lambda: slurm.jobs().get(blocker) == "RUNNING")
    started = start(slurm, "waiting", 2)
    started.wait_for("queued: Resources")
    info = Command.parallelflow(
        slurm.machines, "info", "--profile", "waiting", env=slurm.environment()
    )
    info.wait()
    assert "(slurm) queued: Resources" in info.text
    slurm.run(f"scancel {blocker}")
    assert started.wait() == 0
    assert "2 engines on the profile waiting (2 new" in started.text
    cleanup = ("cleanup", "-y", "--profile", "waiting")
    assert Command.parallelflow(slurm.machines, *cleanup, env=slurm.environment()).wait() == 0
    wait_until(lambda: not slurm.jobs())


def test_ctrl_c_deletes_the_job_that_waits(slurm: Slurm) -> None:
    slurm_profile(slurm, "given_up")
    blocker = slurm.run("sbatch --parsable -N3 --exclusive -o /dev/null --wrap 'sleep 600'").strip()
    wait_until(lambda: slurm.jobs().get(blocker) == "RUNNING")
    started = start(slurm, "given_up", 2)
    started.wait_for("queued: Resources")
    assert started.interrupt() == 130
    wait_until(lambda: list(slurm.jobs()) == [blocker])
