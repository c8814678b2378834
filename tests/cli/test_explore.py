"""``parallelflow explore``: saved explorations and values from the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from parallelflow.cli.explore_parser import split_values
from tests.support.command import RunHere

from .conftest import EPIDEMIC, rows_of

PEAKS = {
    ("0.2", "0.05"): "4138",
    ("0.3", "0.05"): "5527",
    ("0.4", "0.05"): "6396",
    ("0.2", "0.15"): "355",
    ("0.3", "0.15"): "1595",
    ("0.4", "0.15"): "2712",
}
"""What the window gives for the saved exploration, in the order in which it executes them."""


def test_a_saved_exploration(here: RunHere, running: str, folder: Path) -> None:
    result = here("explore", EPIDEMIC, "--profile", running, "--table", "out.csv")
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    rows = rows_of(folder / "out.csv")
    assert [(row["rate"], row["recovery"]) for row in rows] == list(PEAKS)
    assert [row["highest of the peak"] for row in rows] == list(PEAKS.values())
    assert [row["file"] for row in rows] == [f"curve_{n}.csv" for n in range(1, 7)]
    curves = {(folder / row["file"]).read_text() for row in rows}
    assert len(curves) == 6
    assert "exploration: 6/6 points (100 %)" in result.stderr
    named = here("explore", EPIDEMIC, "--name", "rate by recovery", "--profile", running)
    assert list(csv.DictReader(named.stdout.splitlines())) == rows


def test_values_from_the_command_line(here: RunHere, running: str, folder: Path) -> None:
    axes = ["--set", "rate=-1, 0.3", "--range", "town.people=1000,3000,3", "--set=recovery=0.05"]
    result = here("explore", f"{EPIDEMIC}:town", *axes, "--profile", running)
    assert result.returncode == 1
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [(row["rate"], row["town.people"]) for row in rows] == [
        (rate, people) for rate in ("-1", "0.3") for people in ("1000", "2000", "3000")
    ]
    assert [row["highest of the peak"] for row in rows[3:]] == ["553", "1105", "1658"]
    assert all(row["error"] and not row["day of the peak"] for row in rows[:3])
    lines = result.stderr.splitlines()
    assert any(
        line.startswith(
            "parallelflow: point 2 (rate=-1, town.people=2000, recovery=0.05): module PythonSource"
        )
        for line in lines
    )
    assert any(line.startswith("parallelflow: 3 of 6 points failed: point 1 (") for line in lines)


def test_a_single_point_keeps_its_files_name(here: RunHere, running: str, folder: Path) -> None:
    assert here("explore", EPIDEMIC, "--set", "rate=0.3", "--profile", running).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["curve.csv"]


def test_what_is_computed_again_is_told(here: RunHere, running: str, cases: Path) -> None:
    result = here("explore", f"{cases}:uncached", "--set", "a=1,2", "--profile", running)
    assert [line.split(",")[1] for line in result.stdout.splitlines()[1:]] == ["6", "7"]
    assert 'module PythonSource "first" (id ' in result.stderr
    assert "is not cached: it is computed for every point" in result.stderr


def test_what_no_parameter_reaches_fails_before_any_point(
    here: RunHere, running: str, cases: Path
) -> None:
    result = here("explore", f"{cases}:broken", "--set", "a=1,2", "--profile", running)
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith('parallelflow: module PythonSource "first" (id ')
    assert line.endswith("failed: broken. No parameter reaches it: no point was computed.")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--name", "none"], "has no exploration 'none'; it has: rate by recovery."),
        (["--name", "none", "--set", "rate=1"], "Give either --name, or the values"),
        (["--set", "rete=1"], "rete: "),
        (["--set", "rate=1,x"], "rate: 'x' is not a value of type Float."),
        (["--set", "rate=1,,2"], "rate: '' is not a value of type Float."),
        (["--set", "rate=1", "--set", "epidemic.rate=2"], "is the same parameter as rate."),
        (["--set", "rate"], "'rate' is not of the form PARAMETER=VALUE,..."),
        (["--range", "rate=1,2"], "'rate=1,2' is not of the form PARAMETER=FROM,TO,STEPS"),
        (["--range", "rate=1,2,0"], "'rate=1,2,0' is not of the form"),
        (["--range", "file.outputPath=1,2,3"], "has the type OutputPath; only Integer and Float"),
        (["--range", "rate=0,1,9999", "--range", "people=1,2,9999"], "99980001 points"),
        (["--table", "none/out.csv"], "--table none/out.csv: there is no folder none;"),
    ],
)
def test_mistakes(here: RunHere, folder: Path, options: list[str], says: str) -> None:
    result = here("explore", EPIDEMIC, *options)
    assert (result.returncode, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert says in lines[0] and "Traceback" not in result.stderr and len(lines) <= 2
    assert not list(folder.iterdir())


def test_a_version_without_explorations(here: RunHere, cases: Path) -> None:
    result = here("explore", f"{cases}:aliases")
    assert result.returncode == 2
    assert "has no saved exploration: give values by --set." in result.stderr


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", ["1"]),
        ("0.1, 1 ,10", ["0.1", "1", "10"]),
        ("[1,2],[3]", ["[1,2]", "[3]"]),
        ("(1,[2,{3:4,5:6}]),x", ["(1,[2,{3:4,5:6}])", "x"]),
        ('"a,b",c', ["a,b", "c"]),
        ('["a,]b"],"",', ['["a,]b"]', "", ""]),
        ("a)b,c", ["a)b", "c"]),
    ],
)
def test_commas(text: str, values: list[str]) -> None:
    assert split_values(text) == values
