"""Runs that go on without a terminal: begun, listed, looked at, ended, killed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from parallelflow.engine_manager.system.processes import ProcessRecord, record_of
from parallelflow.progress import Progress, RunState, Snapshot
from parallelflow.runs.detached import (
    DetachedRun,
    DetachedState,
    find_detached,
    list_detached,
    new_folder,
)
from parallelflow.runs.detached_progress import read_progress, writing_progress
from tests.support.command import RunHere
from tests.support.waiting import wait_until

from .conftest import SECONDS, Run, command, environment

PRIVATE = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture(autouse=True)
def own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the runs of a test apart, and end what it has left."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    for run in list_detached():
        process = run.process.process()
        if process is not None and process.pid != os.getpid():
            process.kill()


@contextlib.contextmanager
def at_a_terminal(*arguments: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the command at a terminal of its own, which goes with the block."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command(*arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(),
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        os.close(ours)
        process.wait(SECONDS)


def read_until(end: int, text: str) -> str:
    """Return what comes on a terminal until a text does, or its end."""
    read = b""
    with contextlib.suppress(OSError):
        while text.encode() not in read:
            read += os.read(end, 1024)
    return read.decode()


def row(here: RunHere, number: int) -> dict[str, object]:
    """Return the latest line of a run in the list of runs."""
    listed = json.loads(here("runs", "--json").stdout)
    return [one for one in listed["runs"] if one["number"] == number][-1]


def begin(parallelflow: Run, *arguments: object) -> DetachedRun:
    """Begin a run without a terminal."""
    begun = parallelflow("run", "--detach", *arguments)
    assert begun.returncode == 0, begun.stderr
    run = find_detached(int(begun.stdout))
    assert run is not None and run.state() is DetachedState.RUNNING
    return run


def test_a_run_outlives_its_terminal_and_is_not_taken_for_running_when_killed(
    cases: Path, here: RunHere
) -> None:
    with at_a_terminal("run", f"{cases}:pause", "--set", "seconds=600", "--detach") as (_, end):
        told = read_until(end, "ends it\r\n")
    assert "run 1 goes on without this terminal" in told and "Traceback" not in told
    run = find_detached(1)
    assert run is not None and run.state() is DetachedState.RUNNING
    assert psutil.Process(run.process.pid).terminal() is None
    assert os.getsid(run.process.pid) == run.process.pid
    assert Path(run.directory) == Path.cwd()
    os.kill(run.process.pid, signal.SIGKILL)
    wait_until(lambda: not run.process.alive())
    assert row(here, 1)["state"] == "ended without a result"
    shown = here("attach", 1)
    assert shown.returncode == 1 and "run 1 ended without a result" in shown.stderr
    assert here("cancel", 1).returncode == 1


def test_a_run_has_its_output_and_its_exit_code(
    cases: Path, parallelflow: Run, here: RunHere
) -> None:
    begun = parallelflow("run", f"{cases}:pause", "--set", "seconds=0.5", "--detach")
    assert (begun.returncode, begun.stdout) == (0, "1\n"), begun.stderr
    for _ in range(2):
        shown = here("attach")
        assert (shown.returncode, shown.stdout) == (0, "rested 0.5\n"), shown.stderr
        assert "parallelflow: done in " in shown.stderr.splitlines()[-1]
    assert "it ended today " in shown.stderr
    quiet = here("attach", "-q")
    assert quiet.stdout == "rested 0.5\n"
    assert quiet.stderr.startswith("parallelflow: done in "), "what the run itself has written"
    assert row(here, 1)["state"] == "done"
    run = find_detached(1)
    assert run is not None
    files = [run.folder.parent, run.folder, *run.folder.iterdir()]
    assert len(files) >= 5 and not any(path.stat().st_mode & PRIVATE for path in files)
    failing = parallelflow("run", f"{cases}:endings", "--set", "how=raise", "--detach")
    shown = here("attach", failing.stdout.strip())
    assert shown.returncode == 1 and "ValueError: raised on purpose" in shown.stderr
    assert row(here, 2)["state"] == "failed"


@pytest.mark.own_cluster
def test_a_run_is_looked_at_and_cancelled(cases: Path, parallelflow: Run, here: RunHere) -> None:
    run = begin(parallelflow, f"{cases}:slow", "--engines", 1)
    with at_a_terminal("attach", run.number) as (process, end):
        told = read_until(end, "/100 elements")
        os.write(end, b"\x03")
        told += read_until(end, "ends it\r\n")
        process.wait(SECONDS)
    assert "100 elements, 0" in told and process.returncode == 130
    assert "Ctrl-C leaves it running" in told
    assert "run 1 goes on; 'parallelflow attach 1' shows it again" in told
    wait_until(lambda: row(here, 1)["state"] == "running", SECONDS)  # before: preparing
    known = row(here, 1)
    assert (known["total"], known["label"]) == (100, "mapped")
    children = psutil.Process(run.process.pid).children(recursive=True)
    assert children, "its engine runs"
    done = here("cancel", 1)
    assert done.returncode == 0 and done.stderr.endswith("parallelflow: run 1 is cancelled\n")
    wait_until(lambda: not any(child.is_running() for child in children))
    assert row(here, 1)["state"] == "cancelled"
    shown = here("attach", 1)
    assert shown.returncode == 143
    assert shown.stderr.endswith("stopped by SIGTERM\nparallelflow: run 1 was cancelled\n")
    assert "/100 elements (" in shown.stderr
    again = here("cancel", 1)
    assert again.returncode == 1 and "run 1 is not running: cancelled" in again.stderr


def typed(end: int, text: str, until: str) -> str:
    """Type something at a terminal; return what comes on it until a text does."""
    os.write(end, text.encode())
    return read_until(end, until)


def answers(folder: Path) -> list[str]:
    """Return the lines that tell what a run resumes."""
    messages = (folder / "messages").read_text().splitlines()
    return [line for line in messages if "resuming the run of" in line]


@pytest.mark.own_cluster
def test_a_run_under_way_at_a_terminal_is_left_running(
    cases: Path, here: RunHere, tmp_path: Path
) -> None:
    """It goes on with the same engines and what has finished, whatever the options said."""
    options = ("--engines", 1, "--no-resume", "--save-log", tmp_path / "log.vt")
    with at_a_terminal("run", f"{cases}:slow", *options) as (process, end):
        told = read_until(end, " 4/100 elements")
        started = psutil.Process(process.pid).children(recursive=True)
        told += typed(end, "\x03", "s, l or g? ")
        assert " of 100 have finished, and it goes on" in told and "l  leaves it running" in told
        told = typed(end, "nothing of these\n", "s, l or g? ") + typed(end, "g\n", "/100 elements")
        assert "stopped" not in told
        typed(end, "\x03", "s, l or g? ")
        told = typed(end, "l\n", "stopped here; it goes on without this terminal")
    # The terminal is closed before the run is found to be right.
    assert "Traceback" not in told
    wait_until(lambda: find_detached(1) is not None and answers(find_detached(1).folder), SECONDS)  # type: ignore[union-attr]
    run = find_detached(1)
    assert run is not None and run.state() is DetachedState.RUNNING
    done = int(answers(run.folder)[0].rpartition(": ")[2].split()[0])
    assert 4 <= done < 100
    process_of_it = run.process.process()
    assert process_of_it is not None and process_of_it.terminal() is None
    engines = [one for one in started if one.is_running() and "engine_main" in str(one.cmdline())]
    assert engines, "they were not stopped"
    wait_until(lambda: int(str(row(here, 1)["done"])) > done, SECONDS)
    assert all(one.is_running() for one in engines)
    assert here("cancel", 1).returncode == 0
    wait_until(lambda: not any(one.is_running() for one in engines), SECONDS)
    assert row(here, 1)["state"] == "cancelled"


def test_an_exploration_under_way_is_left_running(
    cases: Path, here: RunHere, running: str, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    points = ("--set", "seconds=0,600", "--profile", running, "--table", table)
    with at_a_terminal("explore", f"{cases}:pause", *points) as (process, end):
        read_until(end, "1/2 points")
        typed(end, "\x03", "s, l or g? ")
        told = typed(end, "l\n", "ends it\r\n")
        assert process.wait(SECONDS) == 0
    assert "run 1 goes on without this terminal" in told
    assert not table.exists(), "the run that goes on writes it"
    run = find_detached(1)
    assert run is not None
    wait_until(lambda: answers(run.folder), SECONDS)
    assert "1 of 2 elements are done" in answers(run.folder)[0]
    os.kill(run.process.pid, signal.SIGSTOP)  # as Ctrl-Z would
    assert here("cancel", 1).returncode == 0
    assert "stopped by SIGTERM" in run.messages.read_text(), "it was not killed"
    assert [line.split(",")[0] for line in table.read_text().splitlines()][1:] == ["0", "600"]


def test_an_exploration_is_detached_like_a_run(
    cases: Path, parallelflow: Run, here: RunHere, running: str
) -> None:
    points = ("--set", "seconds=0,0.1", "--profile", running)
    begun = parallelflow("explore", f"{cases}:pause", *points, "--detach")
    assert begun.stdout == "1\n", begun.stderr
    shown = here("attach", 1)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].startswith("seconds,")
    assert "2/2 points (100 %)" in shown.stderr
    assert re.search(r"2 points, [12] engines?: ", shown.stderr)


def test_mistakes_are_told_before_the_terminal_is_left(cases: Path, parallelflow: Run) -> None:
    for arguments, told in (
        (["nothing.vt"], "nothing.vt: there is no such file"),
        ([f"{cases}:pause", "--set", "second=1"], "has no such alias"),
    ):
        done = parallelflow("run", "--detach", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert told in done.stderr
    assert not list_detached()


def of_another_machine() -> DetachedRun:
    """Make the record of a run that goes on elsewhere."""
    me = record_of(os.getpid(), "session")
    assert me is not None
    other = ProcessRecord(me.pid, "another-boot/1", "session")
    run = DetachedRun(
        new_folder(), ["run", "sweep.vt"], "sweep.vt", "/", other, me.created, "utf-8", "node7"
    )
    run.write()
    return run


def test_runs_that_cannot_be_attached(here: RunHere) -> None:
    none = here("attach")
    assert none.returncode == 2 and "No run was detached" in none.stderr
    run = of_another_machine()
    for name in ("attach", "cancel"):
        done = here(name, run.number)
        assert done.returncode == 2 and "is one of the machine node7" in done.stderr, done
        for unknown in ("7", "-", "../1", "9" * 30):
            done = here(name, unknown)
            assert done.returncode == 2 and "There is no detached run" in done.stderr, done
            assert "there are: 1" in done.stderr
    assert "on another machine" in here("runs").stdout
    (run.folder / "run.json").write_text("{")
    assert here("attach", run.number).returncode == 2
    assert here("runs").returncode == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code", "x"),
        ("code", 1.5),
        ("code", -9),
        ("code", True),
        ("began", "x"),
        ("began", 1e300),
        ("ended", "x"),
        ("ended", 1e300),
        ("workflow", 5),
        ("command", "run"),
        ("command", [1]),
        ("encoding", "none-such"),
        ("host", None),
        ("process", []),
    ],
)
def test_a_damaged_record_is_no_run_and_stops_no_command(
    here: RunHere, name: str, value: object
) -> None:
    kept, run = of_another_machine(), of_another_machine()
    file = run.folder / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    assert [one.number for one in list_detached()] == [kept.number]
    done = here("attach", run.number)
    assert done.returncode == 2 and done.stderr.startswith("parallelflow: There is no detached run")
    listed = here("runs", "--json")
    assert [one["number"] for one in json.loads(listed.stdout)["runs"]] == [kept.number]


def test_names_do_not_change_the_terminal(here: RunHere) -> None:
    run = of_another_machine()
    name = "sweep\x1b[2J\n.vt"
    replace(run, workflow=name, command=["run", name], code=0, ended=run.began).write()
    for shown in (here("runs"), here("attach", run.number)):
        told = shown.stdout + shown.stderr
        assert shown.returncode == 0 and r"sweep\x1b[2J\n.vt" in told and "\x1b" not in told


def of_process(pid: int) -> DetachedRun:
    """Make the record of a run that goes on as long as a process does."""
    process = record_of(pid, "session")
    assert process is not None
    run = DetachedRun(new_folder(), ["run", "a.vt"], "a.vt", "/", process, process.created, "utf-8")
    run.write()
    for file in (run.output, run.messages):
        file.touch(0o600)
    return run


# Of elements that no other run of this process has.
NUMBER = 314_159


def test_the_end_of_a_run_is_written_at_once_and_one_that_has_left_out_elements_is_done() -> None:
    run = of_process(os.getpid())
    with writing_progress(run.folder):
        progress = Progress("mapped", NUMBER, failed=1, done=NUMBER - 1)
        progress.remember()
        progress.enter(RunState.FAILED)
        [latest] = [s for _, s in read_progress(run.folder) if s.run == progress.run]
    assert latest.state is RunState.FAILED
    run.finish(0)
    ended = find_detached(run.number)
    assert ended is not None
    assert {(line.state, line.failed) for line in ended.lines() if line.total == NUMBER} == {
        ("done", 1)
    }


def test_the_last_progress_is_shown_before_the_summary(
    here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen(["sleep", "600"])
    run = of_process(process.pid)

    def read(folder: Path, goes_on: bool) -> list[tuple[float, Snapshot]]:
        """Return what a look gives; the run ends while its messages are not yet looked at."""
        ended = not goes_on
        if not ended:
            with run.messages.open("a") as messages:
                messages.write("the summary\n")
            run.finish(0)
            process.kill()
            process.wait()
        state = RunState.DONE if ended else RunState.RUNNING
        return [(0.0, Progress("mapped", 2, state, done=1 + ended, run=1).snapshot())]

    monkeypatch.setattr("parallelflow.cli.attach.read_progress", read)
    shown = here("attach", run.number)
    assert shown.returncode == 0
    lines = [line for line in shown.stderr.splitlines() if "mapped" in line or "summary" in line]
    assert [line.split(" elements")[0].split()[-1] for line in lines] == ["1/2", "2/2", "summary"]


def test_a_run_that_is_killed_before_it_has_begun_is_told(
    here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import os; os.write(1, b'started\\n'); os.close(1); os.close(2); os.kill(os.getpid(), 9)"
    )
    monkeypatch.setattr(
        "parallelflow.cli.detach.command_with_path", lambda _: [sys.executable, "-c", code]
    )
    begun = here("run", "--detach", "sweep.vt")
    assert begun.returncode == 137
    told = "parallelflow: the run was ended by SIGKILL before it had begun: nothing goes on\n"
    assert (begun.stdout, begun.stderr) == ("", told)
    assert not list_detached()


def test_output_that_cannot_be_shown_is_told(cases: Path, parallelflow: Run) -> None:
    begun = parallelflow("run", f"{cases}:pause", "--set", "seconds=0.1", "--detach")
    assert begun.returncode == 0, begun.stderr
    run = find_detached(1)
    assert run is not None
    wait_until(lambda: run.state() is DetachedState.DONE or find_detached(1).code == 0)  # type: ignore[union-attr]
    with open("/dev/full", "w") as full:
        shown = subprocess.run(
            command("attach", 1), stdout=full, stderr=subprocess.PIPE, text=True, env=environment()
        )
    assert shown.returncode == 1, shown.stderr
    assert "standard output cannot be written" in shown.stderr and "Traceback" not in shown.stderr


def test_folders_of_old_runs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parallelflow.runs.detached.MOST_ENDED", 2)
    for _ in range(4):
        run = of_another_machine()
        replace(run, code=0).write()
    assert [run.number for run in list_detached()] == [3, 4]
