"""The other Pythons and the oldest ipyparallel: a few tests on each that this machine has.

`make test` and `make test-slow` have made their environments; `make test-pythons` runs more tests
in others.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_SUCH_PYTHON = 77


def between(name: str) -> object:
    """Return a version between others: what differs there differs on one of its neighbours, too.

    The oldest ipyparallel is tried on the oldest Python there is.
    """
    return pytest.param(name, marks=pytest.mark.slow)


# `make test-slow` alone makes environments with these.
SLOW = ["3.10", "3.11", "3.12"]


@pytest.mark.parametrize("name", [*map(between, SLOW), "3.13", "3.14", "3.15", "oldest"])
def test_map_and_api_work_there(name: str) -> None:
    if name == f"{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip("the other tests run on this one")
    done = subprocess.run(
        ["sh", "tools/test-pythons.sh", sys.prefix, "quick", name],
        cwd=ROOT,
        # They are no part of this run of pytest.
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        capture_output=True,
        text=True,
        timeout=280,
    )
    if done.returncode == NO_SUCH_PYTHON:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "failed" not in done.stdout


def test_make_prepares_environments_for_the_tests_that_it_runs() -> None:
    """One that is not made would be taken for a Python that this machine has not."""
    script = (ROOT / "tools" / "test-pythons.sh").read_text()
    [versions] = re.findall(r'^SLOW_VERSIONS="(.*)"$', script, re.MULTILINE)
    assert versions.split() == SLOW
