"""Twenty random cuts while a Map runs on a real Slurm: nothing is lost, nothing is doubled."""

from __future__ import annotations

import random
import re
import time

import pytest

from tests.support.batch import Slurm
from tests.support.waiting import wait_until

from .test_elastic import Elastic
from .test_slurm_run import values

CUTS = 20
ELEMENTS = 200
SECONDS = 1.5
# Of one seed, so that what has failed can be done again.
SEED = 16


class Saboteur:
    """Cuts something, and mends it after a while."""

    def __init__(self, slurm: Slurm) -> None:
        self._slurm = slurm
        self._random = random.Random(SEED)
        self._kinds = [self.network, self.power, self.cancel, self.requeue, self.fill] * (CUTS // 5)
        self._random.shuffle(self._kinds)
        self.done: list[str] = []

    def run(self) -> None:
        """Do one of them."""
        kind = self._kinds[len(self.done)]
        kind()
        self.done.append(kind.__name__)
        self._pause(2.0, 5.0)

    def _pause(self, least: float, most: float) -> None:
        time.sleep(self._random.uniform(least, most))

    def _node(self) -> str:
        """Return a node with an engine, if there is one."""
        busy = set(self._slurm.run("squeue -h -t R -o %N").split())
        nodes = [node for node in self._slurm.machines.nodes if node in busy]
        return self._random.choice(nodes or self._slurm.machines.nodes)

    def _job(self) -> str | None:
        running = [job for job, state in self._slurm.jobs().items() if state == "RUNNING"]
        return self._random.choice(running) if running else None

    def network(self) -> None:
        node = self._node()
        self._slurm.machines.cut(node)
        self._pause(3.0, 12.0)
        self._slurm.machines.join(node)

    def power(self) -> None:
        node = self._node()
        self._slurm.machines.kill(node)
        self._pause(1.0, 3.0)
        self._slurm.machines.boot(node)
        self._slurm.start_node(node)

    def cancel(self) -> None:
        if job := self._job():
            self._slurm.run(f"scancel {job} || true")

    def requeue(self) -> None:
        if job := self._job():
            self._slurm.run(f"scontrol requeue {job} || true")

    def fill(self) -> None:
        submit = "sbatch --parsable -N3 --exclusive -o /dev/null --wrap 'sleep 600'"
        job = self._slurm.run(submit).strip()
        self._pause(2.0, 5.0)
        self._slurm.run(f"scancel {job}")

    def hasten(self) -> None:
        """Let requeued jobs begin at once, for which Slurm waits two minutes."""
        for job, state in self._slurm.jobs().items():
            if state == "PENDING":
                self._slurm.run(f"scontrol update job {job} starttime=now || true")


@pytest.mark.timeout(1200)
def test_twenty_random_cuts_lose_and_double_nothing(slurm: Slurm) -> None:
    elastic = Elastic(slurm, "cuts", 3)
    session = elastic.map(ELEMENTS, SECONDS)
    wait_until(lambda: len(elastic.begun()) >= 3)
    saboteur = Saboteur(slurm)
    while len(saboteur.done) < CUTS and session.process.poll() is None:
        saboteur.run()
        saboteur.hasten()
    assert len(saboteur.done) == CUTS, session.text

    def is_over() -> bool:
        saboteur.hasten()
        return session.process.poll() is not None

    wait_until(is_over, 600)
    assert values(session) == [i * i for i in range(ELEMENTS)]
    # Each engine that has left was taken away: no element is to blame.
    assert " was lost" not in session.text, session.text
    # Each element has one result; what was under way on a lost engine has begun again.
    done = list(map(int, re.findall(r"^(\d+) (?:preparing|running|done)", session.text, re.M)))
    assert done == sorted(done) and done[-1] == ELEMENTS
    begun = elastic.begun()
    assert sorted(set(begun)) == list(range(ELEMENTS)) and len(begun) <= ELEMENTS + 3 * CUTS
    slurm.wait_for_nodes()
    elastic.close()
