"""Files that cannot be written, since their disk is full: told in one line, with what was asked."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.namespaces import full, mounted

from .conftest import SECONDS, command, environment

FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def begin(disk: Path, *arguments: object) -> subprocess.Popen[str]:
    """Begin a command that sees a full disk; it ends with what stands there, as a last line."""
    shell = f"{shlex.join(command(*arguments))}; code=$?; ls -A '{disk}'; exit $code"
    return subprocess.Popen(
        mounted(full(disk, 64), "sh", "-c", shell),
        cwd=disk.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_each_file_that_a_run_is_asked_for(disk: Path, cases: Path, running: str) -> None:
    (disk.parent / "in.csv").write_text("whole\n1\n7\n")
    run = ("run", f"{cases}:serial_map")
    started = [
        begin(disk, *run, "--output", "disk/o.json", "--report", "disk/r", "--trace", "disk/t"),
        begin(disk, *run, "--save-log", "disk/log.vt"),
        begin(
            disk, "run", f"{cases}:aliases", "--table", "in.csv", "--output", "disk/o.csv",
            "--profile", running,
        ),
    ]  # fmt: skip
    told = [process.communicate(timeout=SECONDS) for process in started]
    assert [process.returncode for process in started] == [1, 1, 1], told
    for out, error in told:
        assert "Traceback" not in error and ".new" not in error, error
        assert out.endswith("\nfilled\n"), out  # nothing is left there, not even an empty file
    (document, first), (result, second), (table, third) = told
    instead = "cannot be written: the results go to standard output"
    assert first.splitlines() == [
        f"parallelflow: --output disk/o.json {instead}",
        f"parallelflow: --report disk/r: {FULL}",
        f"parallelflow: --trace disk/t: {FULL}",
        f"parallelflow: --output disk/o.json: {FULL}.",
    ]
    printed, _, document = document.removesuffix("filled\n").partition("\n")
    assert printed == "[2, 4, 6]"  # by the workflow itself
    assert json.loads(document)["results"][0]["value"] == [2, 4, 6]
    assert result.splitlines()[0] == "[2, 4, 6]"
    assert second.splitlines()[-1] == f"parallelflow: --save-log disk/log.vt: {FULL}."
    assert len(table.splitlines()) == 4 and table.startswith("whole,")
    assert f"parallelflow: --output disk/o.csv {instead}\n" in third
    assert third.splitlines()[-1] == f"parallelflow: --output disk/o.csv: {FULL}."
