"""The file that ``parallelflow gui`` gives to VisTrails, which takes FILE:VERSION its own way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from parallelflow import host
from parallelflow.cli import main

VISTRAIL = '<vistrail id="" version="1.0.4"><action id="1" prevId="0"/></vistrail>'


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Work in an empty folder; return what VisTrails makes of its arguments, without a window."""
    from vistrails.core.application import VistrailsApplicationInterface

    found: list[Any] = []

    def run_window(arguments: list[str]) -> int:
        for argument in arguments:
            assert not argument.startswith("-"), "VisTrails takes it for an option"
            found.append(VistrailsApplicationInterface._parse_vtinfo(None, argument))
        return 0

    monkeypatch.setattr(host, "run_window", run_window)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.mark.parametrize("name", ["a.vt", "-x.vt", "x:y.vt", "a\nb.vt", "$HOME", "~", "ü €.vt"])
def test_files_of_any_name(name: str, opened: list[Any], tmp_path: Path) -> None:
    (tmp_path / name).write_text(VISTRAIL)
    assert main(["gui", "--", name]) == 0
    assert opened == [(os.fspath(tmp_path / name), None)]


def test_versions(opened: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("-a.vt", "b:c.vt"):
        (tmp_path / name).write_text(VISTRAIL)
    assert main(["gui", "--", "-a.vt:x: y"]) == 0
    assert opened == [(os.fspath(tmp_path / "-a.vt"), "x: y")]
    assert main(["gui", "b:c.vt:x"]) == 2
    assert "b:c.vt: VisTrails' window opens a version only" in capsys.readouterr().err
    assert len(opened) == 1


def test_what_is_no_name(capsys: pytest.CaptureFixture[str], opened: list[Any]) -> None:
    for name in ("no\nsuch", "a" * 5000, "x\0y", os.fsdecode(b"\xff"), "", "~/x.vt"):
        assert main(["gui", name]) == 2
        line, _ = capsys.readouterr().err.splitlines()
        assert line.endswith("there is no such file.") and len(line) < 600
    assert opened == []
