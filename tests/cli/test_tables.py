"""``parallelflow run --table``: rows of parameter values, several workflows, bad tables."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.command import RunHere

from .conftest import EPIDEMIC, SECONDS, command, environment, rows_of


def serially(path: Path, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return what VisTrails itself gives for each row, in this process: results or error."""
    from parallelflow.cli.target import Target
    from parallelflow.cli.workflow import Workflow
    from parallelflow.engine.cells import cell
    from parallelflow.engine.workflow_results import module_results

    workflow = Workflow(Target(path, None))
    found = []
    for row in rows:
        [result], _ = workflow.controller.execute_current_workflow(custom_aliases=row)
        if result.errors:
            [error] = result.errors.values()
            found.append({"error": error.msg})
        else:
            results = module_results(workflow.pipeline, result.objects)
            found.append({name: cell(value) for _, name, value in results})
    workflow.close()
    return found


def test_rows_give_what_vistrails_gives(here: RunHere, running: str, folder: Path) -> None:
    values = [
        {"rate": rate, "recovery": recovery, "people": people}
        for rate, recovery, people in [
            ("0.2", "0.05", "1000"),
            ("0.3", "0.1", "20000"),
            ("-1", "0.1", "1000"),
            ("0.5", "0.05", "1000"),
            ("0.3", "0.1", "1000"),
            ("0.2", "0.05", "1000"),
        ]
    ]
    with (folder / "in.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(values[0]))
        writer.writeheader()
        writer.writerows(values)
    result = here("run", EPIDEMIC, "--table=in.csv", "--out=out.csv", "--profile", running)
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    assert "row 3: module PythonSource" in result.stderr
    assert "1 of 6 rows failed: row 3" in result.stderr
    assert re.search(r"parallelflow: 6 rows, [12] engines?: ", result.stderr)
    rows = rows_of(folder / "out.csv")
    assert [{k: row[k] for k in values[0]} for row in rows] == values
    for number, (row, expected) in enumerate(zip(rows, serially(EPIDEMIC, values), strict=True), 1):
        if "error" in expected:
            assert row["error"].endswith(f"failed: {expected['error']}") and not row["file"]
        else:
            assert row["error"] == "" and row["highest of the peak"] != ""
            assert row["file"] == f"curve_{number}.csv"
            assert {k: row[k] for k in expected} == {**expected, "file": row["file"]}
    # Serially each row has overwritten the file; that of the last one is left.
    curve = (folder / "curve.csv").read_text()
    assert (folder / "curve_6.csv").read_text() == curve
    assert (folder / "curve_2.csv").read_text() != curve
    assert not (folder / "curve_3.csv").exists()


def test_several_workflows_and_versions(here: RunHere, running: str, cases: Path) -> None:
    names = [f"{cases}:aliases", f"{cases}:module_fails", f"{cases}:serial_map"]
    result = here("run", *names, "--profile", running)
    assert result.returncode == 1
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["workflow"] for row in rows] == names
    assert [row["StandardOutput"] for row in rows] == [
        "(1, 0.5, True, 'a b', [1, 2])", "", "[2, 4, 6]",
    ]  # fmt: skip
    assert rows[1]["error"].endswith("failed: not today")
    assert f"1 of 3 workflows failed: {names[1]}" in result.stderr
    assert f"[{names[2]}] [2, 4, 6]" in result.stderr  # what it has printed


def test_ports_separators_and_fixed_values(
    here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    # As a spreadsheet saves it where the comma is the decimal sign.
    text = "\ufeffshow.many;real\r\n\"[1, 'x;y']\";7e0\r\n\r\n[];1\r\n"
    (folder / "in.csv").write_bytes(text.encode())
    result = here(
        "run", f"{cases}:aliases", "--table=in.csv", "--set", "word=w", "--profile", running
    )
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["StandardOutput"] for row in rows] == [
        "(1, 7.0, True, 'w', [1, 'x;y'])",
        "(1, 1.0, True, 'w', [])",
    ]
    assert [row["show.many"] for row in rows] == ["[1, 'x;y']", "[]"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows: the first line names columns"),
        ("whole\n", "has no rows"),
        ("\n \n", "has no rows"),
        ("whole,real\n1\n", "line 2 has 1 cells, the first line has 2."),
        ("whole\n1,2\n", "line 2 has 2 cells, the first line has 1."),
        ("whole,whole\n1,2\n", "has two columns 'whole'."),
        ("whole,,real\n1,2,3\n", "column 2 has no name"),
        ("whole\nx\n", "line 2, column 'whole': 'x' is not a value of type Integer."),
        ("whole,real\n1,2\n\n3,\n", "line 4, column 'real': the cell is empty."),
        ('whole\n"1\n', "is no line of a CSV table"),
        (b"word\n\xff\n", "line 2 is not UTF-8"),
        ("wohle\n1\n", "wohle: FILE has no such alias and no such module; its aliases: many,"),
        ("show.wohle\n1\n", "show.wohle: PythonSource has no such port; its input ports: many,"),
        ("whole,show.whole\n1,2\n", "show.whole: is the same parameter as whole."),
        ("StandardOutput.value\n1\n", "the port has a connection, which gives its value."),
    ],
)
def test_bad_tables(here: RunHere, cases: Path, folder: Path, text: str | bytes, says: str) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "in.csv").write_bytes(data)
    result = here("run", f"{cases}:aliases", "--table", "in.csv", "--out", "out.csv")
    line, more = result.stderr.splitlines()
    assert (result.returncode, result.stdout) == (2, "")
    assert says.replace("FILE", f"{cases}:aliases") in line and "parallelflow explain PF" in more
    assert not (folder / "out.csv").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--table", "gone.csv"], "gone.csv: cannot be read: No such file or directory."),
        (["--table", "."], ".: is a folder, not a file."),
        (["--table", "in.csv", "--out", "none/out.csv"], "there is no folder none;"),
        (
            ["--table", "in.csv", "--out", "."],
            "--output .: it is a folder; give the name of a file.",
        ),
        (["--table", "in.csv", "--out", "./in.csv"], "that is the file of --table"),
        (["--table", "in.csv", "--set", "whole=2"], "has a column 'whole', which --set or"),
        (["--table", "in.csv", "--set", "real=x"], "real: 'x' is not a value of type Float."),
        (["--out", "out.csv", "--set", "none=2"], "none: "),
    ],
)
def test_bad_options(
    here: RunHere, cases: Path, folder: Path, options: list[str], says: str
) -> None:
    (folder / "in.csv").write_text("whole\n1\n")
    result = here("run", f"{cases}:aliases", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert says in result.stderr.splitlines()[0]
    assert (folder / "in.csv").read_text() == "whole\n1\n"


def test_what_has_finished_is_written_after_ctrl_c(running: str, cases: Path, folder: Path) -> None:
    (folder / "in.csv").write_text("seconds\n0\n600\n600\n600\n")
    arguments = ["--table=in.csv", "--out=out.csv", "--profile", running]
    process = subprocess.Popen(
        command("run", f"{cases}:pause", *arguments),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if line.startswith("[row 1] rested 0"):
            break
    time.sleep(1)  # what a row writes is shown a moment before the row has finished
    os.kill(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 130, told + rest
    assert "Traceback" not in rest
    rows = rows_of(folder / "out.csv")
    assert [row["StandardOutput"] for row in rows] == ["rested 0.0", "", "", ""]
    assert rows[0]["error"] == "" and all(row["error"] for row in rows[1:])


def test_a_row_that_ends_its_engine_costs_no_other_row(
    here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    (folder / "in.csv").write_text("how\nraise\nexit\nwell\n")
    result = here("run", f"{cases}:endings", "--table=in.csv", "--profile", running)
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [bool(row["error"]) for row in rows] == [True, True, False]
    assert rows[0]["error"].endswith("ValueError: raised on purpose")
    assert rows[2]["StandardOutput"] == "well"
    assert "2 of 3 rows failed: row 1, row 2" in result.stderr
    assert 'raise ValueError("raised on purpose")' in result.stderr or "Traceback" in result.stderr
