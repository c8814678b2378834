"""Programs that tests fork end and write as those that Python starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fork_server import ROOT, ForkServer


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer("json")
    yield server
    server.stop()


@pytest.mark.parametrize(
    "arguments", [["calendar", "2024", "1"], ["json.tool", os.devnull], ["tests.no_such_module"]]
)
def test_a_forked_program_is_as_a_started_one(server: ForkServer, arguments: list[str]) -> None:
    started = subprocess.run(
        [sys.executable, "-m", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    forked = server.run(arguments[0], arguments[1:], os.environ, 60)
    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    # Not the same words: what is raised comes with a traceback.
    assert started.stderr.strip().rpartition(": ")[2] in forked.stderr


def test_code_and_scripts_are_programs_of_their_own(server: ForkServer, tmp_path: Path) -> None:
    code = (
        "import os, sys, threading, time, __main__\n"
        "class Here: pass\n"
        "assert __main__.Here is Here and __name__ == '__main__'\n"
        "def late():\n    time.sleep(0.2)\n    print('late')\n"
        "threading.Thread(target=late).start()\n"
        "print(sys.path[:2], sys.argv, os.getcwd(), globals().get('__file__'), time.timezone)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo"}
    for command, cwd, forked in (
        (["-c", code, "one"], ROOT, server.run_code(code, ["one"], environment, 60)),
        ([script, "2"], tmp_path, server.run_script(script, tmp_path, environment, 60, ["2"])),
    ):
        started = subprocess.run(
            [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True
        )
        assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
        assert forked.stdout.endswith("late\n") and not forked.stderr


def test_a_module_runs_in_a_folder_with_its_errors_among_its_output(
    server: ForkServer, tmp_path: Path
) -> None:
    (tmp_path / "of_the_folder.py").write_text(
        "import os, sys\n"
        "print('first', flush=True)\n"
        "print(os.getcwd(), sys.path[:2], sys.argv[1:], file=sys.stderr, flush=True)\n"
        "print('last')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    forked = server.run("of_the_folder", ["one"], environment, 60, tmp_path, together=True)
    started = subprocess.run(
        [sys.executable, "-m", "of_the_folder", "one"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    assert forked.stdout.startswith("first\n") and not forked.stderr


def test_a_program_that_runs_is_waited_for_and_signalled(server: ForkServer) -> None:
    sleeps = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    program = server.start_code(sleeps)
    assert int(program.stdout.readline()) == program.pid and program.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.01)
    program.kill()
    assert program.wait(60) == -signal.SIGKILL == program.poll()
    program.kill()  # it has ended: nobody is signalled
    program.stdout.close()
    program = server.start_code("raise SystemExit(3)")
    assert program.wait(60) == 3 == program.poll()
    program.stdout.close()


def test_its_environment_is_given(server: ForkServer) -> None:
    environment = {**os.environ, "PYTHONUSERBASE": "/somewhere"}
    told = server.run("site", ["--user-base"], environment, 60)
    assert told.stdout == "/somewhere\n" and os.environ.get("PYTHONUSERBASE") != "/somewhere"


def test_one_that_does_not_end_is_killed(server: ForkServer) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        server.run("http.server", ["--bind", "127.0.0.1", "0"], os.environ, 1.0)
