"""Children that a workflow forks in ``parallelflow run``, and whoever signals them."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import PROFILE, ROOT, SECONDS, Run, environment


@pytest.mark.parametrize("options", [(), ("--parallel-maps", "--profile", PROFILE)])
def test_a_pool_of_workers_works(
    parallelflow: Run, cases: Path, running: str, options: tuple[str, ...]
) -> None:
    result = parallelflow("run", f"{cases}:pool", *options)
    assert (result.returncode, result.stdout) == (0, "[[2, 1], [3, 1]]\n"), result.stderr


@pytest.mark.parametrize("options", [(), ("--parallel-maps", "--profile", PROFILE)])
def test_children_end_and_leave_the_session_alone(
    parallelflow: Run, cases: Path, running: str, options: tuple[str, ...]
) -> None:
    result = parallelflow("run", f"{cases}:children", *options, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[([-15, 78, -1, 3], True)]"


WINDOW = """
import multiprocessing
from parallelflow.host.display import SignalWatch
from tests.support.elements import be_signalled, signals_of_child
watch = SignalWatch(None)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
print(be_signalled(15), signals_of_child(0)[2], watch.exit_code)
"""


def test_children_of_the_window_have_none_of_its_handlers() -> None:
    assert "fork" in multiprocessing.get_all_start_methods()
    result = subprocess.run(
        [sys.executable, "-c", WINDOW],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=ROOT,
        env=environment(),
    )
    assert result.stdout.splitlines() == ["[1, 2]", "-15 -1 None"], result.stderr
