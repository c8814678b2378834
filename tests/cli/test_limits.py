"""Rows and points that fail, take long, or are done already: as elements of ``run``."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from parallelflow.work.chunks import ChunkSizer
from tests.support.command import RunHere

from .conftest import Run, rows_of


def times(folder: Path) -> dict[str, int]:
    """Return how often each row has been executed."""
    return {path.stem: path.stat().st_size for path in sorted(folder.glob("*.times"))}


def table(folder: Path, column: str, *values: Any) -> str:
    (folder / "in.csv").write_text("\n".join([column, *map(str, values)]) + "\n")
    return "--table=in.csv"


def test_a_table_goes_on_where_it_failed(
    here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    run = ["run", f"{cases}:counted", table(folder, "n", 1, 2, 3, 5), "--out=out.csv"]
    run += ["--profile", running]
    refused = here(*run, "--failed")
    assert refused.returncode == 2 and "no run" in refused.stderr
    first = here(*run)
    assert first.returncode == 1 and "1 of 4 rows failed: row 3" in first.stderr
    (folder / "cured").touch()
    second = here(*run, "--failed")
    assert second.returncode == 0, second.stderr
    assert ": 3 of 4 elements are done (parallelflow checkpoints shows them" in second.stderr
    assert times(folder) == {"1": 1, "2": 1, "3": 2, "5": 1}
    assert [row["StandardOutput"] for row in rows_of(folder / "out.csv")] == [
        "did 1", "did 2", "did 3", "did 5",
    ]  # fmt: skip
    # It has ended well: nothing is left, and all is computed again.
    assert "resuming" not in here(*run).stderr
    assert times(folder) == {"1": 2, "2": 2, "3": 3, "5": 2}


def test_an_exploration_goes_on_or_does_not(
    here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    explore = ["explore", f"{cases}:counted", "--set", "n=1,3", "--profile", running]
    assert here(*explore).returncode == 1
    (folder / "cured").touch()
    assert "resuming" not in here(*explore, "--no-resume").stderr
    assert times(folder) == {"1": 2, "3": 2}
    (folder / "cured").unlink()
    assert here(*explore).returncode == 1
    other = here("explore", f"{cases}:counted", "--set", "n=1,3,2", "--profile", running)
    assert "resuming" in other.stderr  # of another list: what it has in common is done
    assert times(folder) == {"1": 3, "2": 1, "3": 4}


def test_a_changed_file_is_read_again(
    here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    """What a row reads counts by its content."""
    (folder / "a.txt").write_text("1")
    (folder / "b.txt").write_text("not a number")
    run = ["run", f"{cases}:reads", table(folder, "name", "a.txt", "b.txt"), "--profile", running]
    assert here(*run).returncode == 1
    (folder / "a.txt").write_text("2")
    (folder / "b.txt").write_text("3")
    result = here(*run)
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["StandardOutput"] for row in rows] == ["read 2", "read 3"]


@pytest.mark.parametrize("command", ["run", "explore"])
def test_limits_retries_and_going_on_without(
    here: RunHere, running: str, cases: Path, folder: Path, command: str
) -> None:
    def execute(version: str, name: str, values: list[Any], *options: Any) -> Any:
        given = [table(folder, name, *values)]
        if command == "explore":
            given = ["--set", f"{name}={','.join(map(str, values))}"]
        result = here(command, f"{cases}:{version}", *given, "--profile", running, *options)
        return result, list(csv.DictReader(result.stdout.splitlines()))

    result, rows = execute("pause", "seconds", [0, 600], "--element-timeout", 1)
    assert result.returncode == 1
    assert rows[0]["error"] == "" and "it reached its time limit" in rows[1]["error"]

    result, rows = execute("counted", "n", [1, 4], "--retries", 1)
    assert result.returncode == 0, result.stderr
    assert times(folder) == {"1": 1, "4": 2}

    options = ["--on-error", "continue", "--value-for-failed", "'none'"]
    result, rows = execute("counted", "n", [1, 3], *options, "--no-resume")
    assert result.returncode == 0, result.stderr
    assert [row["StandardOutput"] for row in rows] == ["did 1", "none"]
    assert "not yet" in rows[1]["error"]
    assert "1 of 2 " in result.stderr and " failed, and are left out: " in result.stderr
    if command == "run":  # it has done what it was to do
        latest = json.loads(here("runs", "--json").stdout)["runs"][-1]
        assert (latest["state"], latest["failed"]) == ("done", 1)
    else:
        refused, _ = execute("counted", "n", [1, 3], "--element", 1)
        assert refused.returncode == 2 and "--element is for one run" in refused.stderr

    values = ["raise", *["well"] * 60]
    result, rows = execute("endings", "how", values, "--on-error", "stop")
    assert result.returncode == 1
    assert rows[0]["error"].endswith("raised on purpose") and rows[-1]["error"] == "not run"
    assert " of 61 " in result.stderr and " were not run" in result.stderr


def executions(file: Path) -> dict[str | None, Any]:
    """Return the executions in a file's log by their parameters: facts, notes and modules."""
    with zipfile.ZipFile(file) as archive:
        log = ElementTree.fromstring(b"<log>%s</log>" % archive.read("log"))
    found: dict[str | None, Any] = {}
    for execution in log.iter("workflowExec"):
        notes = {a.get("key"): a.get("value") for a in execution.findall("annotation")}
        facts = {key: execution.get(key) for key in ("completed", "tsStart", "tsEnd")}
        keys = ("moduleName", "completed", "tsStart", "tsEnd")
        modules = [tuple(map(m.get, keys)) for m in execution.iter("moduleExec")]
        found[notes["parallelflow_parameters"]] = (facts, notes, modules)
    return found


def test_the_log_has_each_row_with_its_parameters(
    parallelflow: Run, here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    """In VisTrails' own form, in a copy of the file."""
    run = ["run", f"{cases}:counted", table(folder, "n", 2, 3), "--profile", running]
    result = parallelflow(*run, "--save-log", "logged.vt", cwd=folder)
    assert result.returncode == 1, result.stderr
    runs = executions(folder / "logged.vt")
    assert len(runs) == 2
    for facts, notes, _ in runs.values():
        assert notes["__reason__"] == "parallelflow run --table"
        assert facts["tsStart"] and "parallelflow_pid" in notes
    facts, _, modules = runs['{"n": "2"}']
    assert facts["completed"] == "1"
    assert [m[:2] for m in modules] == [("PythonSource", "1"), ("StandardOutput", "1")]
    facts, _, modules = runs['{"n": "3"}']
    assert facts["completed"] == "-1" and modules[0][:2] == ("PythonSource", "-1")
    (folder / "cured").touch()
    result = parallelflow(*run, "--save-log", "whole.vt", cwd=folder)
    assert result.returncode == 0 and "resuming" in result.stderr, result.stderr
    resumed, earlier = (executions(folder / f)['{"n": "2"}'] for f in ("whole.vt", "logged.vt"))
    assert resumed[1].pop("parallelflow_resumed") == "true"
    assert resumed == earlier, "times, modules and the engine of the run that executed it"
    assert "parallelflow_resumed" not in executions(folder / "whole.vt")['{"n": "3"}'][1]
    refused = here(*run, "--save-log", "logged.vt")
    assert refused.returncode == 2 and "it is there already" in refused.stderr


def test_the_size_of_chunks_is_as_the_option_says(
    here: RunHere, running: str, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int | None] = []

    def sizer(size: int | None) -> ChunkSizer:
        sizes.append(size)
        return ChunkSizer(size)

    monkeypatch.setattr("parallelflow.work.backlog.ChunkSizer", sizer)
    run = ["run", f"{cases}:parallel_map", "--profile", running]
    assert here(*run, "--chunk-size", 3).returncode == 0
    assert here(*run).returncode == 0
    assert sizes == [3, None]
    refused = here(*run, "--chunk-size", 0)
    assert refused.returncode == 2
    assert "'0' is not a number of elements: 1 or more" in refused.stderr
