"""The first look into a file says whether engines will be wanted, before VisTrails is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from parallelflow.cli.peek import wants_engines
from parallelflow.cli.target import read

from .conftest import ROOT


@pytest.mark.parametrize(
    ("case", "wanted", "with_all_maps"),
    [
        ("parallel_map", True, True),
        ("serial_map", False, True),
        ("aliases", False, False),
        ("nix", False, False),
        (None, False, True),  # the latest: serial_map
    ],
)
def test_versions_differ(cases: Path, case: str | None, wanted: bool, with_all_maps: bool) -> None:
    tree = read(cases)
    assert wants_engines(tree, case, all_maps=False) is wanted
    assert wants_engines(tree, case, all_maps=True) is with_all_maps


@pytest.mark.parametrize(
    ("version", "wanted"), [("serial", False), ("parallel", True), (None, True), ("1", False)]
)
def test_a_map_that_was_replaced_does_not_count(version: str | None, wanted: bool) -> None:
    # `parallel` is `serial` with its Map deleted and another one added.
    tree = read(ROOT / "docs" / "examples" / "digits_sweep.vt")
    assert wants_engines(tree, version, all_maps=False) is wanted


def test_a_map_in_a_group_counts(cases: Path) -> None:
    assert wants_engines(read(cases), "map_in_group", all_maps=False)


def test_every_example_of_vistrails_can_be_looked_at(vistrails_examples: Path) -> None:
    paths = sorted(vistrails_examples.rglob("*.vt"))
    assert len(paths) > 30
    assert not any(wants_engines(read(path), None, all_maps=False) for path in paths)
    example = read(vistrails_examples / "usersguide" / "cfassistant.vt")
    assert wants_engines(example, "example1", all_maps=True)
