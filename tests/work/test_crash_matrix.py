"""Where an element dies x how it dies -> what the user is told, and what is not lost.

The table is modelled on that of joblib's loky.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest

from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.errors import ParallelFlowError
from parallelflow.progress import RunState
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from tests.support.clusters import Cluster, drive
from tests.support.dying import LETHAL, STAGES, WAYS, Deadly, make
from tests.support.fork_server import ForkServer

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("no_memory_kills")]

TOTAL = 8
BAD = 3


def elements(stage: str, way: str) -> list[Any]:
    return [Deadly(stage, way) if i == BAD and stage != "setup" else i for i in range(TOTAL)]


CASES = [(s, w) for s in STAGES for w in WAYS if not (s == "pickle" and w in LETHAL)]


# On a real cluster, too: each way to die, and each stage with the way that leaves no word.
ON_REAL = [(s, w) for s, w in CASES if s == "run" or w == "SIGKILL"]


@pytest.mark.parametrize(
    ("stage", "way", "cluster"),
    [*((s, w, "fake") for s, w in CASES), *((s, w, "real") for s, w in ON_REAL)],
    indirect=["cluster"],
)
def test_a_death_is_named_and_costs_one_element(cluster: Cluster, stage: str, way: str) -> None:
    def replace(engine: int) -> None:
        lost.append(engine)
        cluster.start_engines(1)

    lost: list[int] = []
    arguments = (stage if stage == "setup" else "none", way)
    run = Run(
        cluster.client,
        make,
        arguments,
        elements(stage, way),
        "matrix",
        policy=ElementPolicy(stop_on_error=False),
        pool=EnginePool(replace=replace),
    )
    if stage == "setup":
        with pytest.raises(ParallelFlowError) as error:
            drive(run)
        text = str(error.value)
        assert ("ended 2 engines" in text) == (way in LETHAL)
        assert "cannot run the function" in text
        return
    if stage == "pickle" and way == "KeyboardInterrupt":
        # In this process it is the user's own Ctrl-C: it cancels the run.
        with pytest.raises(KeyboardInterrupt):
            drive(run)
        assert run.progress.state is RunState.CANCELLED
        return
    drive(run)
    assert run.values == [None if i == BAD else i * 10 for i in range(TOTAL)]
    assert list(run.failures) == [BAD]
    failure = run.failures[BAD]
    expected = "lost" if way in LETHAL else stage
    if stage == "run" and way == "KeyboardInterrupt":
        expected = "interrupted"
    assert failure.stage == expected
    assert f"Element {BAD} of {TOTAL}" in str(failure)
    assert "Deadly" in failure.input
    if way in LETHAL:
        assert len(lost) == 3 and "ended 3 engines" in failure.message
    if way == "exception":
        assert (failure.error_type, failure.message) == ("ValueError", "on purpose")
        assert "tests/support/dying.py" in failure.traceback
        assert "\x1b[" not in failure.traceback


PROGRAM = """
import sys
from parallelflow.engine_manager import EngineManager
from parallelflow.work.run import Run
from tests.support.clusters import Cluster, drive
from tests.support.dying import Deadly, make
manager = EngineManager(profile="matrix")
manager.configure(engines=1, private=True)
client = manager.ensure_engines()
print(*manager.started(), flush=True)
run = Run(client, make, ("none", ""), [1, Deadly("pickle", sys.argv[1])], "matrix")
while not run.is_finished:
    run.poll(0.05)
"""


@pytest.mark.own_cluster
@pytest.mark.parametrize("way", sorted(LETHAL))
def test_an_element_that_ends_the_client_leaves_nothing_running(
    sessions: ForkServer, way: str
) -> None:
    import psutil

    if way == "SIGKILL":
        program = subprocess.run(
            [sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, timeout=120
        )
    else:
        program = sessions.run_code(PROGRAM, [way], os.environ, 120)
    assert program.returncode not in (0, 1), program.stderr
    pids = [int(pid) for pid in program.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, "the guard left a process running"
        time.sleep(0.05)
