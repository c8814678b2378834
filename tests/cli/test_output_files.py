"""A command writes no file that it reads, no file twice, and nothing in the place of a device."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from parallelflow.progress import Progress
from tests.support.command import RunHere


@pytest.fixture
def files(cases: Path, tmp_path: Path) -> dict[str, Path]:
    """Make what commands read, each in a folder of this test."""
    made = {name: tmp_path / name for name in ("w.vt", "in.csv", "p.json", "link.vt", "hard.vt")}
    shutil.copy(cases, made["w.vt"])
    made["in.csv"].write_text("whole\n1\n")
    made["p.json"].write_text('{"whole": 1}')
    made["link.vt"].symlink_to("w.vt")
    os.link(made["w.vt"], made["hard.vt"])
    return made


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("run w.vt:aliases --output w.vt", "--output w.vt: that is the file of the workflow"),
        ("run w.vt:aliases --report w.vt", "--report w.vt: that is the file of the workflow"),
        ("run w.vt:aliases --trace link.vt", "--trace link.vt: that is the file of the workflow"),
        ("run link.vt:aliases --trace w.vt", "--trace w.vt: that is the file of the workflow"),
        ("run w.vt:aliases --output hard.vt", "that is the file of the workflow"),
        ("run w.vt:aliases --table in.csv --output w.vt", "that is the file of the workflow"),
        ("run w.vt:aliases --table in.csv --report in.csv", "that is the file of --table"),
        ("run w.vt:aliases --params-file p.json --output p.json", "the file of --params-file"),
        ("run w.vt:aliases --params-file p.json --trace ./p.json", "the file of --params-file"),
        ("run w.vt:aliases --output z.csv --report z.csv", "that is the file of --output"),
        ("run w.vt:aliases --trace z --report ./z", "that is the file of --report"),
        ("run w.vt:aliases --save-log z --trace z", "--save-log z: that is the file of --trace"),
        ("explore w.vt:aliases --set whole=1,2 --table w.vt", "that is the file of the workflow"),
    ],
)
def test_no_file_is_overwritten_that_is_read_or_just_written(
    here: RunHere,
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    told: str,
) -> None:
    before = {name: path.read_bytes() for name, path in files.items()}
    monkeypatch.chdir(files["w.vt"].parent)
    result = here(*command.split())
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert told in result.stderr.splitlines()[0]
    assert {name: path.read_bytes() for name, path in files.items()} == before
    assert {path.name for path in files["w.vt"].parent.iterdir() if path.is_file()} == set(files)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("run w.vt:aliases --table round", "round: is a link that leads in a circle."),
        ("run w.vt:aliases --params-file round", "round: is a link that leads in a circle."),
        ("run w.vt:aliases --table in.csv --output round", "round: it is a link that leads in a"),
        ("run w.vt:aliases --report round", "--report round: it is a link that leads in a circle;"),
        ("run round", "round: there is no such file"),
    ],
)
def test_a_link_that_leads_to_itself_is_told(
    here: RunHere,
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    told: str,
) -> None:
    monkeypatch.chdir(files["w.vt"].parent)
    Path("round").symlink_to("round")
    result = here(*command.split())
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert told in result.stderr.splitlines()[0]


def test_no_report_is_written_of_a_mistake(here: RunHere, tmp_path: Path) -> None:
    Progress("a run of this process before the command", 1).remember()
    result = here("run", str(tmp_path / "none.vt"), "--report", str(tmp_path / "r.html"))
    assert result.returncode == 2 and "none.vt" in result.stderr
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("name", ["o.csv", "o.json"])
def test_a_pipe_stays_one_and_a_link_leads_where_it_did(
    here: RunHere, cases: Path, tmp_path: Path, name: str
) -> None:
    pipe, link, target = tmp_path / f"pipe-{name}", tmp_path / name, tmp_path / f"target-{name}"
    os.mkfifo(pipe)
    result = here("run", f"{cases}:aliases", "--output", str(pipe))
    assert result.returncode == 2 and "it is no ordinary file;" in result.stderr
    assert pipe.is_fifo()
    target.write_text("old")
    link.symlink_to(target)
    result = here("run", f"{cases}:aliases", "--output", str(link))
    assert result.returncode == 0, result.stderr
    assert link.is_symlink() and target.read_text() not in ("", "old")
