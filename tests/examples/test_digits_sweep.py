"""The example: the file in the repository is what its script makes, and both its versions agree."""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow.engine_manager.manager import EngineManager

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
FILE = EXAMPLES / "digits_sweep.vt"

# A guard against deadlocks; the small sweep takes a few seconds.
SECONDS = 180.0

# A small sweep: few images, few folds, few pairs.
SMALL = ["samples=200", "folds=2", "C=[1.0, 10.0]", "gamma=[0.0001, 0.001, 0.01]"]

# Every module says which version of its package it was made with.
PACKAGE_VERSION = r'(package="[^"]+" )version="[^"]*"'


def tree(path: Path) -> str:
    """Return the version tree in a vistrail, without the versions of packages."""
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["vistrail"]
        return re.sub(PACKAGE_VERSION, r"\1", archive.read("vistrail").decode())


@pytest.fixture(scope="module")
def profile() -> Iterator[str]:
    manager = EngineManager("sweep")
    manager.start_engines(2)
    try:
        yield "sweep"
    finally:
        manager.stop()


def sweep(version: str, *options: str) -> subprocess.CompletedProcess[str]:
    settings = [part for setting in SMALL for part in ("--set", setting)]
    result = subprocess.run(
        [sys.executable, "-m", "parallelflow", "run", f"{FILE}:{version}", *settings, *options],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


def test_the_script_makes_the_file_in_the_repository(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, EXAMPLES / "make_digits_sweep.py", tmp_path / "anew.vt"],
        check=True,
        capture_output=True,
        timeout=SECONDS,
        # Who and when must not show.
        env={**os.environ, "USER": "somebody", "LOGNAME": "somebody", "TZ": "Asia/Tokyo"},
    )
    assert tree(tmp_path / "anew.vt") == tree(FILE)


def test_the_file_tells_nothing_of_the_machine_it_was_made_on() -> None:
    content = tree(FILE)
    assert not re.search(r"/(tmp|home|work|root)\b", content)
    # A date other than the fixed one, or a session, would be the maker's.
    assert set(re.findall(r' date="([^"]*)"', content)) == {"2025-01-01 00:00:00"}
    assert set(re.findall(r' session="([^"]*)"', content)) == {""}
    assert set(re.findall(r' user="([^"]*)"', content)) == {"Parallel Flow"}
    assert f'"{getpass.getuser()}"' not in content
    assert f'"{socket.gethostname()}"' not in content


def test_at_least_24_pairs_are_tried() -> None:
    lists = re.findall(r'val="\[([0-9e., -]+)\]" alias="(?:C|gamma)"', tree(FILE))
    lengths = [len(values.split(",")) for values in lists]
    assert len(lengths) == 2
    assert lengths[0] * lengths[1] >= 24


def test_the_parallel_sweep_prints_what_the_serial_one_prints(profile: str) -> None:
    serial, parallel = sweep("serial"), sweep("parallel", "--profile", profile)
    assert parallel.stdout == serial.stdout
    lines = parallel.stdout.splitlines()
    assert lines[0] == "Accuracy, mean of 2 folds"
    assert lines[2].split() == ["C", "\\", "gamma", "0.0001", "0.001", "0.01"]
    table = {line.split()[0]: line.split()[1:] for line in lines[3:5]}
    assert list(table) == ["1", "10"]
    # The best pair is the one with the star.
    best = max(cell.rstrip("*") for cells in table.values() for cell in cells)
    starred = [cell for cells in table.values() for cell in cells if cell.endswith("*")]
    assert starred == [f"{best}*"]
    assert re.fullmatch(r"Best pair: C = \d+, gamma = [\d.]+", lines[6])
    assert re.fullmatch(rf"Accuracy:  {best} \(standard deviation 0\.\d{{4}}\)", lines[7])
    assert re.search(r"parallelflow: 6 elements on [12] engines? in ", parallel.stderr)
    assert "nothing was run in parallel" in serial.stderr
