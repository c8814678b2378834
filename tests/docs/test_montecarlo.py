"""The second package: enabled in the real VisTrails, run without a cluster and with one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python
from tests.support.fork_server import ForkServer

PACKAGE = ROOT / "docs" / "examples" / "montecarlo"

BEGIN = """
from parallelflow import host
host.start_core(["org.example.montecarlo"])
from parallelflow.engine_manager import get_manager
from tests.support.workflows import CONTROL_FLOW, Part, Progress, Workflow, run

def execute(view=None, **functions):
    settings = {"size": 12, "samples": 400, **functions}
    part = Part("Percolation", "org.example.montecarlo", functions=settings)
    result = run(Workflow([part]), CONTROL_FLOW, view=view or Progress())
    outputs = result.raw.objects[0].outputPorts
    return outputs.get("share"), outputs.get("engines"), result.errors.get(0)

manager = get_manager()
manager.configure(engines=2)
"""


# What is done in a session, one after the other; the last one leaves no cluster.
IMPOSSIBLE_INPUTS_ARE_THE_MODULES_ERROR = """
for wrong in ({"size": 0}, {"samples": 0}, {"probability": 1.5}):
    share, engines, error = execute(**wrong)
    assert error[0] == "Percolation" and "must be" in error[1]
"""

IT_IS_COMPUTED_HERE_WHEN_THE_USER_DECLINES = """
from parallelflow.engine_manager.interaction import ConsoleInteraction

class NotNow(ConsoleInteraction):
    def engines_to_start(self, profile, suggested):
        return 0

usual, manager.interaction = manager.interaction, NotNow()
share, engines, error = execute()
assert (engines, error) == (0, None) and 0 < share < 1
assert manager.started() == []
manager.interaction = usual
"""

THE_RESULT_IS_THE_SAME_WITHOUT_A_CLUSTER_AND_WITH_ONE = """
seen = Progress()
share, engines, error = execute(seen, ask=False)
assert (engines, error) == (0, None)
assert 0 < share < 1
assert seen.seen[0][-1] == 1.0 and 0.5 in seen.seen[0]
assert manager.started() == []
low, high = (execute(probability=p, ask=False)[0] for p in (0.3, 0.8))
assert low < share < high

# "ask" with nobody to ask starts local engines.
seen = Progress()
assert execute(seen, size=12) == (share, 2, None)
assert len(manager.started()) == 3
assert seen.seen[0][-1] == 1.0
"""

CANCEL_LEAVES_NO_TASK_BEHIND_AND_A_LOST_CLUSTER_IS_TOLD = """
import time
import psutil

client = manager.ensure_engines()

class Stop(Exception):
    pass

def cancel(module, progress):
    if progress > 0:
        raise Stop

share, engines, error = execute(Progress(cancel), size=40, samples=2000)
assert share is None and "Stop" in error[1], (share, error)
begin = time.monotonic()
while sum(q["tasks"] for q in client.queue_status().values() if isinstance(q, dict)):
    assert time.monotonic() - begin < 30, client.queue_status(verbose=True)
    time.sleep(0.1)

def kill(module, progress):
    for pid in manager.started():
        psutil.Process(pid).kill()

begin = time.monotonic()
share, engines, error = execute(Progress(kill), size=40, samples=20000)
assert share is None and "the cluster went away" in error[1], (share, error)
assert time.monotonic() - begin < 30
"""

EACH = """
import sys
for number, part in enumerate(sys.argv[1:], 1):
    exec(compile(part, f"part {number}", "exec"), dict(globals()))
"""


@pytest.mark.own_cluster
def test_it_works_as_its_page_says(tmp_path: Path, sessions: ForkServer) -> None:
    """In a home in which a user has put the package where the guide says."""
    shutil.copytree(
        PACKAGE,
        tmp_path / ".vistrails" / "userpackages" / "montecarlo",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    run_python(
        BEGIN + EACH,
        IMPOSSIBLE_INPUTS_ARE_THE_MODULES_ERROR,
        IT_IS_COMPUTED_HERE_WHEN_THE_USER_DECLINES,
        THE_RESULT_IS_THE_SAME_WITHOUT_A_CLUSTER_AND_WITH_ONE,
        CANCEL_LEAVES_NO_TASK_BEHIND_AND_A_LOST_CLUSTER_IS_TOLD,
        home=tmp_path,
        environment={"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(ROOT)},
        server=sessions,
    )
