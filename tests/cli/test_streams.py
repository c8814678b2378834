"""The command with standard streams that are closed, full, or read by somebody who stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .conftest import SECONDS, Run, environment

COMMAND = f"{sys.executable} -m parallelflow"


def shell(
    folder: Path, commands: Sequence[str], **variables: str
) -> list[subprocess.CompletedProcess[str]]:
    """Run command lines of a shell all at once; `pf` stands for the command."""
    started = [
        subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {line.replace('pf ', COMMAND + ' ')}"],
            cwd=folder,
            env={**environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in commands
    ]
    done = []
    for process in started:
        out, error = process.communicate(timeout=SECONDS)
        assert "Traceback" not in error and "Exception" not in error, error
        done.append(subprocess.CompletedProcess(process.args, process.returncode, out, error))
    return done


def test_closed_streams_and_full_disks(tmp_path: Path) -> None:
    full = "parallelflow: standard output cannot be written: No space left on device\n"
    closed = full.replace("No space left on device", "Bad file descriptor")
    expected: dict[str, tuple[int, str | None, str]] = {
        "pf --version >&- 2>&- <&-": (1, "", ""),
        "pf profiles >&-": (1, "", closed),
        "pf cleanup >&-": (0, "", ""),
        "pf start --dry-run >&-": (1, "", closed),
        "pf explain PF56 >&-": (1, "", closed),
        "pf checkpoints >&-": (1, "", closed),
        "pf checkpoints remove --all >&-": (0, "", ""),
        "pf profiles 2>&- <&-": (0, None, ""),
        "pf info --profile nowhere >&- 2>&-": (2, "", ""),
        "pf shutdown <&-": (0, "no cluster runs on the profile default.\n", ""),
        "pf --help >/dev/full": (1, "", full),
        "pf profiles >/dev/full": (1, "", full),
        "pf walk 2>/dev/full": (2, "", ""),
        "pf --help | true": (141, "", ""),
        "pf profiles | true": (141, "", ""),
    }
    # Tests of odd files leave some in the profiles that all share, which the commands tell.
    done = shell(tmp_path, list(expected), IPYTHONDIR=str(tmp_path / "ipython"))
    for line, result in zip(expected, done, strict=True):
        code, out, error = expected[line]
        assert (result.returncode, result.stderr) == (code, error), line
        assert out is None or result.stdout == out, line


@pytest.mark.own_cluster
def test_runs_with_closed_streams_and_readers_that_stop(
    tmp_path: Path, cases: Path, running: str
) -> None:
    """With engines that are started and stopped, and with those that run already."""
    own, shared = "-n 1", f"--profile {running}"
    run = f"pf run {cases}:parallel_map"
    (tmp_path / "in.csv").write_text("whole\n1\n")
    closed, quiet, lost, table, shown, full, enough, both = shell(
        tmp_path,
        [
            f"{run} {own} >&- 2>&- <&-",
            f"{run} {shared} 2>&- <&-",
            f"{run} {own} >&-",
            f"pf run {cases}:aliases --table in.csv {shared} >&-",
            f"pf show {cases} >&-",
            f"{run} {shared} >/dev/full",
            f"{run} {shared} | true",
            f"pf run {cases}:slow {own} 2>&1 | head -1",
        ],
    )
    # The result cannot be had any more.
    assert (closed.returncode, closed.stdout) == (1, "")
    for one in (lost, table, shown):
        assert one.returncode == 1
        assert one.stderr.endswith(": standard output cannot be written: Bad file descriptor\n")
    assert (quiet.returncode, quiet.stdout) == (0, "[2, 4, 6]\n")
    assert full.returncode == 1
    assert full.stderr.endswith(": standard output cannot be written: No space left on device\n")
    assert enough.returncode == 141 and "stopped" not in enough.stderr
    assert both.returncode == 141 and both.stdout.count("\n") == 1


@pytest.mark.own_cluster
def test_a_reader_that_has_enough_of_an_element_that_does_not_end(
    tmp_path: Path, cases: Path
) -> None:
    """What it writes is shown while it runs, and it is interrupted when nobody reads it."""
    [done] = shell(tmp_path, [f"pf run {cases}:talks -n 1 | head -2"])
    assert done.returncode == 141 and done.stdout.splitlines() == [
        f"[mapped, element 0 of 1] {line}" for line in ("one", "two")
    ]
    assert "stopped" not in done.stderr


@pytest.mark.own_cluster
def test_engines_of_a_job_without_streams_have_their_own(parallelflow: Run, tmp_path: Path) -> None:
    (started,) = shell(tmp_path, ["pf start -n 1 >&- 2>&- <&-"])
    assert started.returncode == 0
    try:
        info: dict[str, Any] = json.loads(parallelflow("info", "--json").stdout)
        pids = [info["controller"]["pid"], *(engine["pid"] for engine in info["engines"])]
        assert len(pids) == 2
        for pid in pids:
            for number in range(3):
                file = os.fspath(Path(f"/proc/{pid}/fd/{number}").readlink())
                assert file == os.devnull or file.startswith("/"), (pid, number, file)
                assert not file.endswith((".json", ".sqlite")), (pid, number, file)
    finally:
        assert parallelflow("cleanup", "--yes").returncode == 0


def test_any_terminal_and_encoding(tmp_path: Path, cases: Path) -> None:
    lines = ["pf profiles", "pf --help", f"pf run {cases}:serial_map"]
    for variables in (
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii", "TERM": "", "COLUMNS": "0"},
        {"TERM": "nonsense", "COLUMNS": "wide", "LINES": "-1"},
    ):
        results = shell(tmp_path, lines, **variables)
        assert [result.returncode for result in results] == [0, 0, 0], results
        assert results[2].stdout == "[2, 4, 6]\n"
