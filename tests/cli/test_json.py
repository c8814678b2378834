"""`--json`, `--output FILE.json`, `--params-file`, `--dry-run`, `-q`, `--progress`."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from parallelflow.checkpoints import folder as checkpoints
from parallelflow.cli.json_output import SCHEMAS, as_json, document, output_to_stderr
from tests.support import json_tables
from tests.support.command import RunHere

from .conftest import EPIDEMIC, Run, environment

# Two exit codes that many of these have.
OK, MISTAKE = 0, 2


def read(text: str, command: str) -> dict[str, Any]:
    """Return a document, after a look at its fields."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    told: dict[str, Any] = json.loads(text, parse_constant=refuse)
    json_tables.check(command, told)
    assert told["schema"] == SCHEMAS[command]
    return told


# -- values --------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")
ITSELF: list[Any] = []
ITSELF.append(ITSELF)


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (True, True),
        (10**30, 10**30),
        (0.5, 0.5),
        ("a", "a"),
        ([1, (2, {"b": 3})], [1, [2, {"b": 3}]]),
        (Point(1, 2), [1, 2]),
        ([math.nan, math.inf, -math.inf], ["nan", "inf", "-inf"]),
        ({1: 2}, {"1": 2}),
        (1j, "1j"),
        (b"a", "b'a'"),
        ({"a": {1}}, {"a": "{1}"}),
        (ITSELF, "[[...]]"),
        (Broken(), "<Broken that cannot be shown: no>"),
        ("\udcff", "\udcff"),
    ],
)
def test_values_as_json(value: Any, wanted: Any) -> None:
    told = as_json(value)
    assert told == wanted
    assert json.loads(document("run", {"value": told}))["value"] == wanted


def test_arrays_as_json() -> None:
    numpy = pytest.importorskip("numpy")
    assert as_json(numpy.array([[1.5, math.nan]])) == [[1.5, "nan"]]
    assert as_json(numpy.float64(0.5)) == 0.5
    assert as_json(numpy.int64(3)) == 3


def test_what_children_write_does_not_stand_beside_the_json(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with output_to_stderr(True):
        os.system("echo child")
        print("python")
    with output_to_stderr(False):
        print("json")
    out, err = capfd.readouterr()
    assert out == "json\n"
    assert "child" in err and "python" in err


# -- run -----------------------------------------------------------------------------------------


def test_a_run_is_told_as_json(parallelflow: Run, cases: Path, running: str) -> None:
    done = parallelflow("run", f"{cases}:parallel_map", "--profile", running, "--json", "-q")
    assert (done.returncode, done.stderr) == (OK, "[2, 4, 6]\n")
    told = read(done.stdout, "run")
    assert told["state"] == "done"
    assert told["results"] == [{"name": "StandardOutput", "type": "list", "value": [2, 4, 6]}]
    [loop] = told["loops"]
    assert (loop["label"], loop["state"], loop["total"], loop["done"]) == ("mapped", "done", 3, 3)


def test_a_failed_element_is_told_as_json(
    here: RunHere, cases: Path, running: str, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    arguments = ("run", f"{cases}:element_fails", "--profile", running, "--output", out)
    done = here(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "three is too much" in done.stderr
    told = read(out.read_text(encoding="utf-8"), "run")
    assert told["state"] == "failed" and told["results"] == []
    [error] = told["errors"]
    assert error["message"] == "ValueError: three is too much"
    assert (error["element"]["index"], error["element"]["input"]) == (2, "3")


def test_parameters_come_from_a_file(here: RunHere, cases: Path, tmp_path: Path) -> None:
    parameters, out = tmp_path / "day7.json", tmp_path / "results.json"
    values = {"whole": 2, "real": 1e-3, "yes": False, "word": "x=y", "many": [[1, "a"]]}
    parameters.write_text(json.dumps(values))
    options = ("--params-file", parameters, "--set", "whole=3", "--output", out)
    done = here("run", f"{cases}:aliases", *options)
    assert (done.returncode, done.stdout) == (OK, "(3, 0.001, False, 'x=y', [[1, 'a']])\n")
    told = read(out.read_text(encoding="utf-8"), "run")
    assert told["parameters"]["whole"] == "3" and told["parameters"]["yes"] == "False"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON: "),
        ("[1]", "is not an object of JSON"),
        ('{"whole": null}', "'whole' is null"),
        ('{"whole": "x"}', "{path}: whole: 'x' is not a value of type Integer"),
        ('{"wohle": 1}', "has no such alias; it has: many, "),
        ('{"word": {"a": 1}, "whole": 1, "whole": 2}', "'whole' has 2 values: leave one."),
        ("[" * 99999, "is not JSON: it is nested too deeply."),
        ("\udcff", "is not JSON in UTF-8: "),
        (None, "cannot be read: No such file or directory."),
    ],
)
def test_wrong_files_of_parameters(
    here: RunHere, cases: Path, tmp_path: Path, text: str | None, told: str
) -> None:
    path = tmp_path / "parameters.json"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    done = here("run", f"{cases}:aliases", "--params-file", path)
    assert (done.returncode, done.stdout) == (MISTAKE, "")
    assert done.stderr.startswith("parallelflow: --params-file ")
    assert told.format(path=path) in done.stderr and "Traceback" not in done.stderr


def test_a_value_of_the_command_line_is_told_as_such(
    here: RunHere, cases: Path, tmp_path: Path
) -> None:
    path = tmp_path / "parameters.json"
    path.write_text('{"whole": "x"}', encoding="utf-8-sig")
    arguments = ("run", f"{cases}:aliases", "--params-file", path)
    done = here(*arguments, "--set", "whole=y")
    assert done.returncode == MISTAKE
    assert "--set whole: 'y' is not a value of type Integer" in done.stderr
    done = here(*arguments, "--set", "whole=3", "--dry-run", "-n", 1)
    assert (done.returncode, done.stderr) == (OK, "")
    assert "whole = 3" in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("{cases}", "--json"), "The results of several runs are a table (CSV)"),
        (("{cases}", "--output", "x.json"), "The results of several runs are a table (CSV)"),
        (
            ("--output", "/nowhere/x.json"),
            "--output /nowhere/x.json: there is no folder /nowhere; make it first.",
        ),
        (("-q", "-v"), "not allowed with argument"),
        (("--progress", "often"), "invalid choice: 'often'"),
    ],
)
def test_wrong_options_of_output(
    here: RunHere, cases: Path, options: tuple[str, ...], told: str
) -> None:
    done = here("run", f"{cases}:serial_map", *(o.format(cases=cases) for o in options))
    assert (done.returncode, done.stdout) == (MISTAKE, "")
    assert told in done.stderr and "Traceback" not in done.stderr


# -- run --dry-run -------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_run(here: RunHere, cases: Path, running: str) -> None:
    options = ("--profile", running, "--engines", 3, "--set", "values=[1, 2]", "--dry-run")
    done = here("run", f"{cases}:parallel_map", *options)
    assert (done.returncode, done.stderr) == (OK, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{cases}:parallel_map"
    assert "  parameters    values = [1, 2]" in lines
    assert "  loops         Map 'mapped', on engines, 2 elements" in lines
    assert "  checkpoints   none" in lines
    words = f"2 run on the profile {running}; 1 more would be started (launcher local)"
    assert f"  engines       {words}" in lines
    assert lines[-1] == "Nothing was run."


def test_a_dry_run_of_a_table_as_json(here: RunHere, tmp_path: Path) -> None:
    table, report = tmp_path / "values.csv", tmp_path / "run.html"
    table.write_text("rate\n0.2\n0.3\n")
    options = ("--table", table, "--json", "--dry-run", "-n", 1, "--report", report)
    done = here("run", EPIDEMIC, *options)
    assert done.returncode == MISTAKE and "are a table (CSV)" in done.stderr
    done = here("run", EPIDEMIC, "--dry-run", "-n", 1, "--table", table, "--report", report)
    assert (done.returncode, done.stderr) == (OK, "")
    assert "  runs          2, each one element on the engines" in done.stdout.splitlines()
    assert not report.exists()


def test_a_dry_run_knows_what_is_left_of_an_earlier_run(
    here: RunHere, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = {"file": str(cases), "label": "mapped", "total": 3, "begun": 0.0}
    kept = checkpoints.Kept(Path("1f2e.checkpoint"), header, 1, 0.0)
    monkeypatch.setattr(checkpoints, "list_kept", lambda: [kept])
    monkeypatch.setattr(checkpoints.Kept, "count", lambda _: 2)
    done = here("run", f"{cases}:serial_map", "--parallel-maps", "--dry-run", "-n", 1, "--json")
    assert (done.returncode, done.stderr) == (OK, "")
    told = read(done.stdout, "run --dry-run")
    [workflow] = told["workflows"]
    assert workflow["checkpoints"][0]["done"] == 2 and workflow["checkpoints"][0]["resumed"]
    assert workflow["loops"][0]["elements"] == 3 and workflow["loops"][0]["on_engines"]
    running = told["engines"]["running"]  # those of other tests of this process
    assert told["engines"]["started"] == max(0, 1 - running)


def test_a_dry_run_tells_branches_apart(here: RunHere) -> None:
    done = here("run", f"{EPIDEMIC.parent / 'loops.vt'}:branches", "--dry-run", "-n", 1)
    lines = done.stdout.splitlines()
    assert "  loops         none" in lines
    assert (
        "  branches      PythonSource 'pi by throws', on an engine, beside other modules" in lines
    )
    done = here("run", f"{EPIDEMIC.parent / 'loops.vt'}:branches", "--dry-run", "-n", 1, "--json")
    [workflow] = read(done.stdout, "run --dry-run")["workflows"]
    assert [each["label"] for each in workflow["branches"]] == ["pi by throws", "pi by series"]
    assert workflow["loops"] == []


def test_a_dry_run_finds_mistakes(here: RunHere, cases: Path) -> None:
    done = here("run", f"{cases}:aliases", "--set", "whole=x", "--dry-run")
    assert (done.returncode, done.stdout) == (MISTAKE, "")
    assert "is not a value of type Integer" in done.stderr


# -- run --save-log ------------------------------------------------------------------------------


def test_the_log_of_a_run_has_its_parameters(
    parallelflow: Run, cases: Path, running: str, tmp_path: Path
) -> None:
    log, temporary = tmp_path / "log.vt", tmp_path / "temporary"
    temporary.mkdir()
    options = ("--profile", running, "--set", "values=[1, 2]", "--save-log", log, "-q")
    own = {**environment(), "TMPDIR": str(temporary)}
    done = parallelflow("run", f"{cases}:parallel_map", *options, env=own)
    assert (done.returncode, done.stdout, done.stderr) == (OK, "[2, 4]\n", "")
    assert list(temporary.iterdir()) == []
    with zipfile.ZipFile(log) as archive:
        text = archive.read("log").decode()
    assert text.count("<loopIteration ") == 2 and "parallelflow_engine" in text
    assert "parallelflow_parameters" in text
    assert "&quot;values&quot;: &quot;[1, 2]&quot;" in text


# -- progress ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-q",), []),
        (("--progress", "none"), ["parallelflow: 3 elements, "]),
        (("--progress", "lines"), ["parallelflow: mapped: ", "parallelflow: 3 elements, "]),
        (("--progress", "bar"), ["\rmapped", "parallelflow: 3 elements, "]),
    ],
)
def test_how_much_is_told(
    here: RunHere, cases: Path, running: str, options: tuple[str, ...], told: list[str]
) -> None:
    done = here("run", f"{cases}:parallel_map", "--profile", running, *options)
    assert (done.returncode, done.stdout) == (OK, "[2, 4, 6]\n")
    assert bool(done.stderr) == bool(told)
    for text in told:
        assert text in done.stderr
    assert ("parallelflow: mapped" in done.stderr) == ("lines" in options)


# -- the other commands --------------------------------------------------------------------------


def test_profiles_are_told_as_json(here: RunHere, running: str) -> None:
    done = here("profiles", "--json")
    assert (done.returncode, done.stderr) == (OK, "")
    found = {p["name"]: p for p in read(done.stdout, "profiles")["profiles"]}
    [cluster] = found[running]["clusters"]
    assert cluster["cluster_id"] == "" and cluster["pid"]


def test_a_start_that_is_not_made_is_told_as_json(here: RunHere) -> None:
    done = here("start", "-n", 2, "--launcher", "local", "--dry-run", "--json")
    assert (done.returncode, done.stderr) == (OK, "")
    told = read(done.stdout, "start --dry-run")
    assert (told["number"], told["launcher"], told["script"]) == (2, "local", None)
