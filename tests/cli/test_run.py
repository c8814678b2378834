"""``parallelflow run``: results, summary and failures of real workflows on real engines."""

from __future__ import annotations

import gc
import json
import os
import pty
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import parallelflow as package
from parallelflow.cli import report
from parallelflow.engine_manager.manager import EngineManager
from parallelflow.errors import ElementFailure
from tests.support import json_tables
from tests.support.command import RunHere

from .conftest import Run, environment

# What the summary says when the engines were of no use, which three doublings are not.
SUMMARY = (
    r"parallelflow: 3 elements, [12] engines?: \d+\.\d s for 0\.\d s of work "
    r"\(\d\.\d x; elements so short gain nothing on engines\)\. In all \d+\.\d s"
)


def test_the_version(parallelflow: Run) -> None:
    result = parallelflow("--version")
    assert (result.returncode, result.stdout) == (0, f"parallelflow {package.__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("run",), ("gui",)])
def test_the_help_fits_the_screen(parallelflow: Run, arguments: tuple[str, ...]) -> None:
    result = parallelflow(*arguments, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("usage: parallelflow")
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_help_and_mistakes_load_neither_vistrails_nor_qt(tmp_path: Path) -> None:
    code = (
        "import sys; from parallelflow.cli import main; main(['--version']); main(['run', 'x.vt']);"
        "print([m for m in ('vistrails', 'PyQt5', 'ipyparallel') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_serial_map_runs_serially_and_the_summary_says_so(parallelflow: Run, cases: Path) -> None:
    result = parallelflow("run", f"{cases}:serial_map")
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n")
    assert re.fullmatch(
        r"parallelflow: done in \d\.\d s; nothing was run in parallel \(--parallel-maps .*\)\n",
        result.stderr,
    )


def test_the_latest_version_is_run_when_none_is_named(here: RunHere, cases: Path) -> None:
    assert here("run", cases).stdout == "[2, 4, 6]\n"


def test_versions_are_named_by_number_too(here: RunHere, cases: Path) -> None:
    with zipfile.ZipFile(cases) as archive:
        tree = archive.read("vistrail").decode()
    tag = re.search(r'<actionAnnotation[^>]*value="aliases"[^>]*>', tree)
    assert tag is not None
    number = re.search(r'actionId="(\d+)"', tag[0])
    assert number is not None
    result = here("run", f"{cases}:{number[1]}")
    assert (result.returncode, result.stdout) == (0, "(1, 0.5, True, 'a b', [1, 2])\n")


def test_aliases_are_set(here: RunHere, cases: Path) -> None:
    settings = ["whole=2", "whole=0x10", "real=1e-3", "yes=false", "word=x=y", "many=[(1, 'a')]"]
    options = [option for setting in settings for option in ("--set", setting)]
    result = here("run", f"{cases}:aliases", *options)
    assert (result.returncode, result.stdout) == (0, "(16, 0.001, False, 'x=y', [(1, 'a')])\n")


def test_garbage_is_looked_for_as_ever_while_a_workflow_runs(
    parallelflow: Run, cases: Path
) -> None:
    result = parallelflow("run", f"{cases}:endings", "--set", "how=with garbage")
    assert (result.returncode, result.stdout) == (0, f"{gc.get_threshold()}\n")


def test_a_parallel_map_on_a_running_cluster(parallelflow: Run, cases: Path, running: str) -> None:
    result = parallelflow("run", f"{cases}:parallel_map", "--profile", running)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert re.search(SUMMARY, result.stderr)
    assert "mapped: 3/3 elements (100 %)" in result.stderr


def test_a_map_in_a_group(here: RunHere, cases: Path, running: str) -> None:
    result = here("run", f"{cases}:map_in_group", "--profile", running)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert re.search(SUMMARY, result.stderr)


def test_what_only_a_subworkflow_needs_is_enabled(forked: Run, cases: Path, running: str) -> None:
    result = forked("run", f"{cases}:subworkflow", "--profile", running)
    assert (result.returncode, result.stdout) == (0, "[11.0, 12.0]\n"), result.stderr


def test_a_map_of_the_package_that_came_with_vistrails_is_upgraded(
    forked: Run, here: RunHere, cases: Path, running: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(cases) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    tree = members["vistrail"].decode()
    old, count = re.subn(
        rf'(package="{package.identifier}" )version="[^"]*"', r'\1version="0.1.1"', tree
    )
    assert count
    with zipfile.ZipFile(tmp_path / "old.vt", "w") as archive:
        for name, data in {**members, "vistrail": old.encode()}.items():
            archive.writestr(name, data)
    before = (tmp_path / "old.vt").read_bytes()
    for case, command in (("parallel_map", forked), ("map_in_group", here)):
        result = command("run", f"{tmp_path}/old.vt:{case}", "--profile", running)
        assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert (tmp_path / "old.vt").read_bytes() == before


def test_results_that_nothing_takes_are_printed(here: RunHere, cases: Path, running: str) -> None:
    result = here("run", f"{cases}:open_end", "--profile", running)
    assert (result.returncode, result.stdout) == (0, "mapped.Result = [2, 4, 6]\n"), result.stderr


def test_serial_maps_run_in_parallel_when_asked(
    forked: Run, here: RunHere, cases: Path, running: str, vistrails_examples: Path
) -> None:
    result = here("run", f"{cases}:serial_map", "--parallel-maps", "--profile", running)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert re.search(SUMMARY, result.stderr)
    # The example of VisTrails' own user's guide.
    example = vistrails_examples / "usersguide" / "cfassistant.vt"
    before = example.read_bytes()
    result = forked("run", f"{example}:example1", "--parallel-maps", "--profile", running)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[2.0, 4.0, 6.0, 8.0, 10.0]"
    assert "parallelflow: 5 elements, " in result.stderr
    assert example.read_bytes() == before


def test_loops_that_are_too_short_stay_in_the_session_with_parallel(
    here: RunHere, cases: Path, running: str
) -> None:
    result = here("run", f"{cases}:serial_map", "--parallel", "--profile", running)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert "Parallel Flow: the 3 elements of " in result.stderr
    assert "nothing was run in parallel\n" in result.stderr
    both = ("--parallel", "--parallel-maps")
    result = here("run", f"{cases}:serial_map", *both, "--profile", running)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert re.search(SUMMARY, result.stderr)


def test_a_failed_element_is_named(here: RunHere, cases: Path, running: str) -> None:
    result = here("run", f"{cases}:element_fails", "--profile", running)
    assert (result.returncode, result.stdout) == (1, "")
    traceback, failure = result.stderr.split("parallelflow: module ")
    assert 'File "<string>", line 2, in <module>' in traceback
    assert re.fullmatch(
        r'PythonSource "function" \(id \d+\) failed: ValueError: three is too much\n'
        r"  element  2 of 4 \(the first is 0\)\n"
        r"  input    3\n"
        r"  engine   [01] on \S+\n",
        failure,
    )


def test_what_could_not_travel_is_told_without_a_traceback() -> None:
    element = ElementFailure(0, 2, "1", "result", "TypeError", "a file cannot be sent", "", 1, "a")
    error = SimpleNamespace(msg=str(element), errorTrace="Element 0 of 2", element=element)
    assert list(report.traces({3: error})) == []
    lines = list(report.failure(SimpleNamespace(modules={}), {3: error}))
    assert lines[0].endswith("its result cannot be sent back, TypeError: a file cannot be sent")
    assert lines[1:-1] == [
        "  element  0 of 2 (the first is 0)",
        "  input    1",
        "  engine   1 on a",
    ]
    assert lines[-1].startswith("  More: parallelflow explain PF")


def test_a_cluster_that_ran_before_runs_on(forked: Run, cases: Path, running: str) -> None:
    manager = EngineManager(running)
    client = manager.connect()
    assert client is not None
    try:
        forked("run", f"{cases}:parallel_map", "--profile", running)
        assert client.ids == [0, 1]
        assert client[:].apply_sync(lambda: 1) == [1, 1]
    finally:
        manager.stop()


def test_a_failed_module_is_named(here: RunHere, cases: Path) -> None:
    result = here("run", f"{cases}:module_fails")
    assert (result.returncode, result.stdout) == (1, "")
    # Nobody needs the traceback of fail('...').
    assert re.fullmatch(
        r'parallelflow: module PythonSource "refuses" \(id \d+\) failed: not today\n', result.stderr
    )


@pytest.mark.own_cluster
def test_engines_are_started_and_stopped(parallelflow: Run, cases: Path) -> None:
    result = parallelflow("run", f"{cases}:parallel_map", "--engines", 1)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert "parallelflow: 3 elements, 1 engine: " in result.stderr


@pytest.mark.own_cluster
def test_engines_are_stopped_after_a_failure(forked: Run, cases: Path) -> None:
    result = forked("run", f"{cases}:element_fails", "--engines", 1)
    assert result.returncode == 1
    assert "element  2 of 4 (the first is 0)" in result.stderr


@pytest.mark.own_cluster
def test_engines_that_cannot_be_started(forked: Run, cases: Path, home: Path) -> None:
    folder = home / "ipython" / "profile_broken"
    folder.mkdir()
    (folder / "ipcontroller_config.py").write_text("raise RuntimeError('no luck')\n")
    result = forked("run", f"{cases}:parallel_map", "--profile", "broken")
    assert (result.returncode, result.stdout) == (1, "")
    assert 'module Map "mapped" (id ' in result.stderr
    assert "no luck" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_users_own_session_is_left_alone(forked: Run, cases: Path, home: Path) -> None:
    forked("run", f"{cases}:serial_map")
    assert not (home / ".vistrails").exists()


@pytest.mark.own_cluster
def test_what_was_chosen_in_the_window_holds_at_the_terminal(
    parallelflow: Run, forked: Run, cases: Path, running: str, tmp_path: Path
) -> None:
    kept = tmp_path / ".vistrails" / "startup.xml"
    kept.parent.mkdir()
    keys = '<key name="engines"><int value="1"/></key><key name="profile"><str value="mine"/></key>'
    kept.write_text(
        '<startup version="0.1"><configuration/><packages><package name="parallelflow">'
        f"<configuration>{keys}</configuration></package></packages><disabledpackages/></startup>"
    )
    before = kept.read_text()
    env = {**environment(), "HOME": str(tmp_path)}
    told = forked("info", env=env)
    assert (told.returncode, told.stderr) == (1, "") and "profile      mine" in told.stdout
    result = parallelflow("run", f"{cases}:parallel_map", env=env)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert "parallelflow: 3 elements, 1 engine: " in result.stderr
    assert result.stderr.startswith(
        "parallelflow: profile mine, the one of the configuration (--pr"
    )
    quiet = forked("run", f"{cases}:serial_map", "-q", env=env)
    assert (quiet.returncode, quiet.stderr) == (0, "")
    result = forked("run", f"{cases}:parallel_map", "-n", 2, "--profile", running, env=env)
    assert (result.returncode, result.stdout) == (0, "[2, 4, 6]\n"), result.stderr
    assert "profile" not in result.stderr
    assert kept.read_text() == before


def test_a_long_result_is_whole_in_a_file_and_short_on_a_screen(
    parallelflow: Run, here: RunHere, cases: Path, running: str
) -> None:
    arguments = (
        "run",
        f"{cases}:open_end",
        "--profile",
        running,
        "--set",
        f"values={['x' * 2000]}",
    )
    result = here(*arguments)
    assert result.stdout == f"mapped.Result = {['x' * 4000]}\n", result.stderr
    master, slave = pty.openpty()
    try:
        parallelflow(*arguments, capture_output=False, stdout=slave, stderr=subprocess.DEVNULL)
        shown = os.read(master, 4096).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert shown.endswith("x... (4004 characters in all)\r\n") and len(shown) < 2100


def test_a_report_a_table_and_the_history_are_kept(
    here: RunHere,
    cases: Path,
    running: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page, table = tmp_path / "run.html", tmp_path / "run.csv"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    none = here("runs")
    assert (none.returncode, none.stderr) == (1, "") and "no runs yet" in none.stdout
    files = ("--report", page, "--trace", table)
    result = here("run", f"{cases}:element_fails", "--profile", running, *files)
    assert result.returncode == 1
    text = page.read_text(encoding="utf-8")
    assert "Failed elements" in text and f"{cases}:element_fails" in text
    assert "failed" in table.read_text(encoding="utf-8")
    listed = here("runs")
    assert listed.returncode == 0 and "cases.vt:element_fails" in listed.stdout
    kept = json.loads(here("runs", "--json").stdout)
    json_tables.check("runs", kept)
    assert [(k["failed"], k["state"]) for k in kept["runs"]] == [(1, "failed")], kept


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--report", "/nowhere/run.html"), "--report /nowhere/run.html: there is no folder"),
        (("--trace", "/tmp"), "--trace /tmp: it is a folder; give"),
        (("--report", "/dev/null"), "--report /dev/null: it is no ordinary file; give"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_runs(
    here: RunHere, cases: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = here("run", f"{cases}:serial_map", *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith(f"parallelflow: {told}"), result.stderr
