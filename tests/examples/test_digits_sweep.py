"""The example of a sweep: both its versions agree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.examples.test_files import EXAMPLES, tree
from tests.support.fork_server import ForkServer
from tests.support.shared_cluster import cluster_of

FILE = EXAMPLES / "digits_sweep.vt"

# A guard against deadlocks; the small sweep takes a few seconds.
SECONDS = 180.0

# A small sweep: few images, few folds, few pairs.
SMALL = ["samples=200", "folds=2", "C=[1.0, 10.0]", "gamma=[0.0001, 0.001, 0.01]"]


@pytest.fixture(scope="module")
def profile() -> Iterator[str]:
    with cluster_of("sweep", engines=1):
        yield "sweep"


def command(version: str, *options: str) -> list[str]:
    settings = [part for setting in SMALL for part in ("--set", setting)]
    return ["run", f"{FILE}:{version}", *settings, *options]


def test_at_least_24_pairs_are_tried() -> None:
    lists = re.findall(r'val="\[([0-9e., -]+)\]" alias="(?:C|gamma)"', tree(FILE))
    lengths = [len(values.split(",")) for values in lists]
    assert len(lengths) == 2
    assert lengths[0] * lengths[1] >= 24


def test_the_parallel_sweep_prints_what_the_serial_one_prints(
    profile: str, windows: ForkServer
) -> None:
    serial = windows.run("parallelflow", command("serial"), os.environ, SECONDS)
    # The README's sweep is started.
    arguments = command("parallel", "--profile", profile)
    parallel = windows.run("parallelflow", arguments, os.environ, SECONDS)
    assert serial.returncode == 0, serial.stderr
    assert parallel.returncode == 0, parallel.stderr
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
    assert re.search(r"parallelflow: 6 elements, 1 engine: ", parallel.stderr)
    assert "nothing was run in parallel" in serial.stderr
