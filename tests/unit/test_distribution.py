"""What is distributed: every file of the package, the .pth file, one version."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

import parallelflow

from .conftest import ROOT


def tracked(pattern: str) -> set[str]:
    """Return the files of the package that match the pattern, relative to the checkout."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "parallelflow").rglob(pattern)
        if "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_package_and_no_other(
    distributions: tuple[Path, Path],
) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}
    source = {name for name in tracked("*") if (ROOT / name).is_file()}
    assert files == source | {"parallelflow_activate.pth", "parallelflow/troubleshooting.md"}


def test_the_version_is_the_one_that_the_package_states(distributions: tuple[Path, Path]) -> None:
    assert re.search(rf"parallelflow-{re.escape(parallelflow.version)}-py3", distributions[1].name)


def test_the_wheel_brings_the_command_and_the_licence(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        about = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
        commands = wheel.read(about["entry_points.txt"]).decode()
        metadata = wheel.read(about["METADATA"]).decode()
    assert "parallelflow = parallelflow.cli:main" in commands
    assert "LICENSE" in about
    assert "Requires-Python: >=3.10" in metadata


def test_the_source_distribution_holds_what_the_commands_need(
    distributions: tuple[Path, Path],
) -> None:
    with tarfile.open(distributions[0]) as source:
        files = {name.partition("/")[2] for name in source.getnames()}
    wanted = {"CONTRIBUTING.md", "Makefile", "MANIFEST.in", "tests/conftest.py"}
    wanted |= {f"tools/{path.name}" for path in (ROOT / "tools").iterdir() if path.is_file()}
    assert wanted <= files
