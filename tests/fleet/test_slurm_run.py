"""Maps whose engines a batch system takes away: nothing is lost, doubled or blamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.batch import Slurm
from tests.support.waiting import wait_until

from .commands import Command, slurm_profile

SESSION = str(Path(__file__).with_name("session.py"))


@pytest.fixture(autouse=True)
def no_job_is_left(slurm: Slurm) -> Iterator[None]:
    yield
    slurm.cancel_all()


class Cluster:
    """A profile with engines, each of a job of its own, left running on a Slurm."""

    def __init__(self, slurm: Slurm, profile: str, jobs: int, each: int = 1) -> None:
        self.slurm, self.profile = slurm, profile
        self.notes = slurm.machines.folder / f"notes-{profile}"
        self.notes.mkdir()
        slurm_profile(slurm, profile)
        for _ in range(jobs):
            assert self.command("start", "-n", str(each)).wait() == 0
        self.jobs = list(slurm.jobs())

    def command(self, name: str, *arguments: str) -> Command:
        environment = self.slurm.environment()
        return Command.parallelflow(
            self.slurm.machines, name, "--profile", self.profile, *arguments, env=environment
        )

    def map(self, n: int, seconds: float, *more: str) -> Command:
        arguments = (self.profile, str(n), str(self.notes), str(seconds), *more)
        return Command(self.slurm.machines, SESSION, *arguments, env=self.slurm.environment())

    def begun(self) -> list[int]:
        return sorted(int(path.name.partition("-")[0]) for path in self.notes.iterdir())

    def close(self) -> None:
        assert self.command("cleanup", "-y").wait() == 0


def values(session: Command) -> list[int]:
    assert session.wait() == 0, session.text
    [line] = [line for line in session.text.splitlines() if line.startswith("RESULT ")]
    return list(json.loads(line.removeprefix("RESULT "))["values"])


def wait_for_more(cluster: Cluster, n: int) -> None:
    wanted = len(cluster.begun()) + n
    wait_until(lambda: len(cluster.begun()) >= wanted)


def test_elements_of_a_cancelled_job_run_elsewhere_and_are_innocent(slurm: Slurm) -> None:
    cluster = Cluster(slurm, "cancelled", jobs=2)
    session = cluster.map(16, 1.0)
    wait_until(lambda: len(cluster.begun()) >= 4)
    slurm.run(f"scancel {cluster.jobs[0]}")
    assert values(session) == [i * i for i in range(16)]
    # What the lost engine had goes again, and nothing else does.
    begun = cluster.begun()
    assert sorted(set(begun)) == list(range(16)) and len(begun) <= 18
    assert "was taken away" in session.text
    cluster.close()


def test_elements_of_a_host_whose_network_was_cut_are_innocent(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A node for each job, and so a single engine for each host.
    monkeypatch.setenv("SBATCH_EXCLUSIVE", "exclusive")
    cluster = Cluster(slurm, "cut", jobs=2)
    [victim, _] = (slurm.run(f"squeue -h -o %N -j {job}").strip() for job in cluster.jobs)
    assert victim.startswith("node")
    session = cluster.map(40, 2.0)
    wait_for_more(cluster, 4)
    slurm.machines.cut(victim)
    try:
        assert values(session) == [i * i for i in range(40)]
    finally:
        slurm.machines.join(victim)
    assert f"({victim}) was taken away" in session.text
    slurm.wait_for_nodes()
    cluster.close()


def test_a_cancelled_engine_that_cannot_say_so_is_noticed_by_the_batch_system(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_EXCLUSIVE", "exclusive")
    cluster = Cluster(slurm, "silent", jobs=2)
    [victim, _] = (slurm.run(f"squeue -h -o %N -j {job}").strip() for job in cluster.jobs)
    session = cluster.map(60, 1.0)
    wait_for_more(cluster, 8)  # some seconds, in which Slurm is asked for the first time
    slurm.machines.cut(victim)
    try:
        slurm.run(f"scancel {cluster.jobs[0]}")
        session.wait_for(f"was taken away (job {cluster.jobs[0]} (slurm)")
        noticed = cluster.begun()
        assert values(session) == [i * i for i in range(60)]
    finally:
        slurm.machines.join(victim)
    # Not by the heartbeats: these are missed for half a minute before an engine is given up.
    assert len(noticed) < 40
    slurm.wait_for_nodes()
    # What has ended is not listed any more.
    listed = cluster.command("cleanup", "-y")
    assert listed.wait() == 0 and f"job {cluster.jobs[0]} " not in listed.text


def test_a_map_waits_for_the_engines_of_a_job_that_was_requeued(slurm: Slurm) -> None:
    cluster = Cluster(slurm, "requeued", jobs=1)
    [job] = cluster.jobs
    session = cluster.map(8, 1.0)
    for _ in range(3):
        wait_for_more(cluster, 2)
        slurm.run(f"scontrol requeue {job}")
        wait_until(lambda: slurm.jobs().get(job) == "PENDING")
        # It is told while it lasts: Slurm would keep the job waiting for two minutes.
        session.wait_for(f"the work waits for those of job {job} (slurm) queued")
        # Slurm lets a requeued job wait for two minutes.
        wait_until(
            lambda: "fail" not in slurm.run(f"scontrol update job {job} starttime=now || true")
        )
        wait_until(lambda: slurm.jobs().get(job) == "RUNNING")
    assert values(session) == [i * i for i in range(8)]
    assert f"job {job} (slurm) queued" in session.text
    cluster.close()


def test_an_element_that_ends_its_engines_is_blamed_on_other_hosts_too(slurm: Slurm) -> None:
    cluster = Cluster(slurm, "blamed", jobs=1, each=6)
    session = cluster.map(12, 0.5, "5")
    assert session.wait() != 0
    assert "it ended 3 engines" in session.text
    assert cluster.begun().count(5) == 3
    cluster.close()
