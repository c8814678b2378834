"""Elastic clusters on a real Slurm: engines are jobs that come with the work, and go."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.batch import Slurm
from tests.support.waiting import wait_until

from .commands import Command, slurm_profile
from .test_slurm_run import SESSION, values


@pytest.fixture(autouse=True)
def no_job_is_left(slurm: Slurm) -> Iterator[None]:
    yield
    slurm.cancel_all()


class Elastic:
    """A profile whose engines follow the work, and what its elements have noted."""

    def __init__(self, slurm: Slurm, profile: str, most: int, more: str = "") -> None:
        self.slurm, self.profile = slurm, profile
        self.notes = slurm.machines.folder / f"notes-{profile}"
        self.notes.mkdir()
        slurm_profile(slurm, profile, more)
        started = self.command("start", "--min", "0", "--max", str(most), "--idle", "3")
        assert started.wait() == 0, started.text
        assert f"0 to {most} engines by slurm" in started.text and not slurm.jobs()

    def command(self, name: str, *arguments: str) -> Command:
        environment = self.slurm.environment()
        return Command.parallelflow(
            self.slurm.machines, name, "--profile", self.profile, *arguments, env=environment
        )

    def map(self, n: int, seconds: float, stay: float = 0.0) -> Command:
        arguments = (self.profile, str(n), str(self.notes), str(seconds), "-1", str(stay))
        return Command(self.slurm.machines, SESSION, *arguments, env=self.slurm.environment())

    def begun(self) -> list[int]:
        return sorted(int(path.name.partition("-")[0]) for path in self.notes.iterdir())

    def close(self) -> None:
        assert self.command("cleanup", "-y").wait() == 0
        wait_until(lambda: not self.slurm.jobs())


def test_jobs_come_with_the_work_and_go_when_they_are_idle(slurm: Slurm) -> None:
    elastic = Elastic(slurm, "elastic", 3)
    session = elastic.map(24, 1.5, stay=120)
    seen: set[str] = set()

    def finished() -> bool:
        seen.update(slurm.jobs())
        return "RESULT " in session.text or session.process.poll() is not None

    wait_until(finished, 240)
    assert "RESULT " in session.text, session.text
    assert elastic.begun() == list(range(24)) and len(seen) == 3
    waits = re.findall(r"the work waits for those of (.*)\.", session.text)
    assert all(re.match(r"job \d+ \(slurm\) |batch jobs, whose ", each) for each in waits), waits
    # The session is still there; its engines are given back all the same.
    wait_until(lambda: not slurm.jobs(), 100)
    assert session.process.poll() is None
    session.interrupt()
    elastic.close()


def test_the_last_elements_do_not_wait_for_jobs_that_are_queued(slurm: Slurm) -> None:
    elastic = Elastic(slurm, "crowded", 3)
    # Of 24 processors one is left: the other two jobs stay in the queue.
    blocker = slurm.run("sbatch --parsable -N3 -n23 -o /dev/null --wrap 'sleep 600'").strip()
    wait_until(lambda: slurm.jobs().get(blocker) == "RUNNING")
    session = elastic.map(10, 3.0)
    wait_until(lambda: list(slurm.jobs().values()).count("PENDING") >= 1)
    assert values(session) == [i * i for i in range(10)]
    assert slurm.jobs().get(blocker) == "RUNNING"
    wait_until(lambda: list(slurm.jobs()) == [blocker])
    slurm.run(f"scancel {blocker}")
    elastic.close()


def test_engines_go_before_their_wall_time_ends(slurm: Slurm) -> None:
    # Jobs of a minute, and work for two of them.
    options = 'c.SlurmLauncher.queue = "tiny"\nc.SlurmLauncher.timelimit = "1"\n'
    elastic = Elastic(slurm, "short", 1, options)
    session = elastic.map(24, 4.0)
    seen: set[str] = set()

    def finished() -> bool:
        seen.update(slurm.jobs())
        return session.process.poll() is not None

    wait_until(finished, 400)
    assert values(session) == [i * i for i in range(24)]
    # No element was under way when an engine went.
    assert elastic.begun() == list(range(24)) and len(seen) >= 2
    assert "was lost" not in session.text and "taken away" not in session.text
    elastic.close()
