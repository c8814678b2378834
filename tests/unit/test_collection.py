"""Python's search for garbage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LEFT_OUT = """
import gc
from parallelflow.system.collection import leave_start_out
gc.freeze()  # in Python 3.12 some objects are left out from the first moment on
counts = [gc.get_freeze_count()]
kept = []
for _ in range(2):
    kept += [[] for _ in range(1000)]
    leave_start_out()
    counts.append(gc.get_freeze_count())
print(counts[1] - counts[0] >= 1000, counts[2] == counts[1])
"""


def said_by(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_start_is_left_out_once_whatever_has_been_before() -> None:
    assert said_by(LEFT_OUT).split() == ["True", "True"]


SPARED = """
import gc
from parallelflow.system.collection import end_start, leave_start_out, spare_start
usual, left_out = gc.get_threshold(), gc.get_freeze_count()
end_start()  # nothing was spared
print(gc.get_freeze_count() == left_out)
spare_start()
spare_start()
print(gc.get_threshold()[0] > 100_000)
{end}()
print(gc.get_threshold() == usual, gc.get_freeze_count() > left_out)
spare_start()  # it has started already
print(gc.get_threshold() == usual)
"""


@pytest.mark.parametrize("end", ["end_start", "leave_start_out"])
def test_a_spared_start_ends_with_the_usual_settings(end: str) -> None:
    assert said_by(SPARED.replace("{end}", end)).split() == ["True"] * 5


# What stands for ipyparallel's controller tells what it meets.
CONTROLLER = """
import gc
from ipyparallel.controller.app import IPController
usual = gc.get_threshold()
def tell(self=None):
    print(gc.get_threshold() == usual, gc.get_freeze_count() > 10_000)
def launch():
    tell()
    IPController.start(None)
    raise SystemExit({code})
IPController.start, IPController.launch_instance = tell, launch
from parallelflow.engine_manager.launch import controller_main
controller_main.main()
"""


@pytest.mark.parametrize(("code", "exit_code"), [("", 0), ("3", 3), ("'a reason'", 1)])
def test_a_controller_forks_its_processes_when_its_start_is_left_out(
    code: str, exit_code: int
) -> None:
    command = [sys.executable, "-c", CONTROLLER.replace("{code}", code)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["False False", "True True"]
    assert done.returncode == exit_code and ("a reason" in done.stderr) == ("reason" in code)


# What stands for its run tells what it meets.
ENGINE = """
import gc, sys
from parallelflow.engine_manager.launch import engine_main, nanny
usual = gc.get_threshold()
def fork():
    print(gc.get_threshold() == usual)
def run(engine_class, arguments):
    print(gc.get_threshold() == usual, gc.get_freeze_count() > 10_000)
    return 3
nanny.fork, engine_main.run = fork, run
engine_main.main(sys.argv[1:])
"""


def test_an_engine_by_itself_runs_when_its_start_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "engine.json"
    file.write_text("{}")
    command = [sys.executable, "-c", ENGINE, str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["False", "True True"] and done.returncode == 3
