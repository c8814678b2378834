"""The command in a folder that was deleted, without a home, with variables that mislead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parallelflow.api import parallel_map
from parallelflow.cli import main
from parallelflow.engine.python_path import own_folders
from parallelflow.errors import WorkingDirectoryGone

from .conftest import SECONDS, environment

Capture = pytest.CaptureFixture[str]
GONE = "parallelflow: The working directory of this process has been deleted"


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that is not there any more."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize(
    "arguments", [["run", "x.vt"], ["check"], ["start"], ["start", "--dry-run"], ["gui"]]
)
def test_what_needs_a_working_directory_says_so(arguments: list[str], capsys: Capture) -> None:
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith(GONE) and "cd" in error
    assert "More: parallelflow explain PF" in error.splitlines()[1]


@pytest.mark.usefixtures("gone")
def test_what_only_looks_and_stops_does_without_one(capsys: Capture) -> None:
    # By its name: a test before in this process may have worked with another profile.
    profile = ["--profile", "default"]
    assert main(["info", *profile]) == 1
    assert main(["profiles"]) == 0
    assert main(["cleanup", "--yes", *profile]) == 0
    assert main(["shutdown", "--yes", *profile]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("gone")
def test_parallel_map_computes_here_and_starts_no_engines() -> None:
    assert parallel_map(abs, [-1, 2]) == [1, 2]
    with pytest.raises(WorkingDirectoryGone):
        parallel_map(abs, [-1, 2], ask=True)


@pytest.mark.parametrize("home", ["here/and/there", "~", "."])
def test_a_home_that_is_no_whole_path(
    home: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("HOME", home)
    assert main(["profiles"]) == 2
    assert f"HOME is {home!r}, which is no folder's whole path" in capsys.readouterr().err


def test_a_home_that_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(["run", "x.vt"]) == 2
    assert "which is no folder's whole path" in capsys.readouterr().err


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_home_it_is_the_users(
    value: str | None, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("HOME", "to be put back")
    monkeypatch.delenv("HOME")
    known = Path("~").expanduser()
    if value is not None:
        monkeypatch.setenv("HOME", value)
    assert main(["profiles"]) == 0
    assert os.environ["HOME"] == str(known)


def test_an_ipython_folder_that_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "file"))
    assert main(["start", "-n", "1", "--dry-run"]) in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("gone")
def test_folders_of_a_path_in_a_deleted_one_are_left_out() -> None:
    assert own_folders(["", ".", "tools", "/tmp/mine"]) == ("/tmp/mine",)


def test_a_variable_that_tqdm_does_not_take(tmp_path: Path) -> None:
    # It is read as tqdm is imported, which this process has done.
    result = subprocess.run(
        [sys.executable, "-m", "parallelflow", "run", "any.vt"],
        cwd=tmp_path,
        env={**environment(), "TQDM_NCOLS": "wide", "TQDM_ASCII": "True"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "parallelflow: Of the variables TQDM_ASCII, TQDM_NCOLS one has a value that tqdm does not "
        "take: "
    )
    assert result.stderr.count("\n") == 1, result.stderr
