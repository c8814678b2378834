"""Damaged vistrails: one line and exit code 2, or a run; never a traceback, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, SECONDS, environment
from .damage import OF_EACH_KIND, OF_TREES

Results = dict[str, tuple[object, str, str]]


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for temporary files of the process that runs them all."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def results(cases: Path, temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Run every damaged file of `damage` in one process."""
    folder = tmp_path_factory.mktemp("damaged")
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.damage", os.fspath(cases), os.fspath(folder)],
        cwd=ROOT,
        env={**environment(), "TMPDIR": os.fspath(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {name: (code, out, err) for name, code, out, err in json.loads(done.stdout)}


def test_each_is_run_or_told_in_one_line(results: Results) -> None:
    assert len(results) > OF_EACH_KIND * len(OF_TREES)
    wrong = {}
    for name, (code, out, err) in results.items():
        lines = [x for x in err.splitlines() if not x.startswith("parallelflow: More: ")]
        if code == 2:
            fine = len(lines) == 1 and "damaged.vt" in lines[0] and out == ""
        elif code == 1:  # what is left of the workflow runs, and fails
            fine = any(line.startswith("parallelflow: module") for line in lines)
        else:
            fine = code == 0
        if not fine or "Traceback" in err:
            wrong[name] = (code, out, err)
    assert wrong == {}
    assert results["whole"][:2] == (0, "[2, 4, 6]\n")
    assert {code for code, _, _ in results.values()} == {0, 1, 2}


@pytest.mark.parametrize("kind", ["cut-", "archive-cut-", "zeros", "latin-1", "version-9.9.9"])
def test_what_is_no_version_tree_is_refused(results: Results, kind: str) -> None:
    codes = {code for name, (code, _, _) in results.items() if name.startswith(kind)}
    assert codes == {2}


def test_nothing_is_left_of_them(results: Results, temporary: Path) -> None:
    assert results
    assert sorted(path.name for path in temporary.iterdir()) == []
