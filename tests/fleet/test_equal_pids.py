"""Two sessions with one process id on two hosts with one home do not disturb each other."""

from __future__ import annotations

import sys
from functools import partial

from tests.support.batch import Slurm
from tests.support.machines import Machines
from tests.support.waiting import wait_until

from .commands import Command, make_profile

PID = 20_000
ENGINES = "ps -e -o args= | grep '[p]arallelflow.engine_manager' || true"

# A program that gets this process id, however many others begin on its machine in that moment.
WITH_PID = f"""
begin='[ $$ = {PID} ] || exit 99; exec "$@"'
while :; do
    echo {PID - 1} > /proc/sys/kernel/ns_last_pid
    sh -c "$begin" sh "$@"
    code=$?
    [ $code = 99 ] || exit $code
done
"""

# Starts an engine on its host, uses all of the profile's, and stops its own when it is told to.
SESSION = """
import os, sys, time
from pathlib import Path
from parallelflow import api
from parallelflow.engine_manager import get_manager
manager = get_manager()
manager.configure("one")
manager.connect()
manager.start_engines(1)
print("AT WORK", os.getpid(), flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.05)
print("VALUES", api.parallel_map(abs, [-3, -4]), flush=True)
manager.stop()
"""


def session(machines: Machines, name: str) -> Command:
    go = machines.folder / f"go-{name}"
    program = (sys.executable, "-c", SESSION, str(go))
    return Command(machines, WITH_PID, "sh", *program, name=name, program=("sh", "-c"))


def no_engines(machines: Machines, name: str) -> bool:
    return not machines.run(name, ENGINES)


def test_each_has_a_record_and_ends_its_own_engines(slurm: Slurm) -> None:
    machines = slurm.machines
    folder = make_profile(machines, "one", "", machines.address("node1"))
    sessions = {}
    for name in ("node1", "node2"):
        sessions[name] = session(machines, name)
        sessions[name].wait_for(f"AT WORK {PID}\n")
    records = folder.glob(f"pid/parallelflow-*-{PID}-*.json")
    assert sorted(record.name.split("-")[1] for record in records) == ["node1", "node2"]
    for name in ("node2", "node1"):  # the one whose controller it is goes on after the other's end
        (machines.folder / f"go-{name}").touch()
        assert sessions[name].wait() == 0, sessions[name].text
        assert "VALUES [3, 4]" in sessions[name].text
        wait_until(partial(no_engines, machines, name))
    assert not list(folder.glob(f"pid/*{PID}*"))
