"""The machines themselves: they are several, and nothing of them is left, whatever ends them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.batch import Slurm
from tests.support.machines import PREFIX, Machines
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

# Makes machines and says which; then waits to be ended.
SCRIPT = """
import time
from tests.support.machines import Machines, machines
with machines(2) as made:
    made.popen("node1", "sleep", "4242")
    print(made.folder, flush=True)
    time.sleep(600)
"""


def test_jobs_run_on_the_nodes_of_a_slurm(slurm: Slurm) -> None:
    assert slurm.run("srun -N3 -n3 hostname | sort").split() == ["node1", "node2", "node3"]


def test_machines_with_homes_of_their_own_reach_each_other_by_ssh(hosts: Machines) -> None:
    hosts.run("head", "ssh node2 touch here")
    assert (hosts.home("node2") / "here").exists()
    assert not (hosts.home("node1") / "here").exists()
    hosts.cut("node2")
    with pytest.raises(RuntimeError):
        hosts.run("head", "ssh -o ConnectTimeout=1 node2 true")
    hosts.join("node2")
    assert hosts.run("head", "ssh node2 hostname") == "node2\n"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_whatever_ends_them(hosts: Machines, sign: signal.Signals) -> None:
    del hosts  # for its reason to skip
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as ends:
        assert ends.stdout is not None
        folder = Path(ends.stdout.readline().strip())
        below = psutil.Process(ends.pid).children(recursive=True)
        assert len(below) >= 6
        ends.send_signal(sign)
    wait_until(lambda: not any(one.is_running() for one in below))
    if sign is signal.SIGKILL:
        Machines(1).close()  # whoever makes some next removes what a killed run has left
    assert not folder.exists()
    assert folder.name.startswith(PREFIX)
    assert str(folder) not in Path("/proc/mounts").read_text()
