"""The menu's actions at the terminal: what one session starts, the others see and can stop."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from parallelflow.cli import cluster_parser
from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.model import Origin
from parallelflow.engine_manager.system import profiles
from tests.support import json_tables
from tests.support.command import RunHere, run_here
from tests.support.fork_server import ForkServer

from .sessions import running, session, wait_until_gone

COMMAND = [sys.executable, "-m", "parallelflow"]
# A guard against hangs; a start on a loaded machine takes ten seconds.
LIMIT_SECONDS = 120


def parallelflow(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command, without a terminal."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def at_a_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the command at a terminal of its own; give the process and the other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(end: int, text: str) -> str:
    """Return what comes until a text does, or the end."""
    read = b""
    with contextlib.suppress(OSError):  # the other end was closed
        while text.encode() not in read:
            read += os.read(end, 1024)
    return read.decode()


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Run the command in this process; see `run_here`."""
    return run_here(capsys)


@pytest.fixture
def in_use(profile: str) -> Iterator[str]:
    """Return a profile that has a folder; whatever runs on it is stopped at the end."""
    profiles.ensure_folder(profile)
    yield profile
    EngineManager(profile).cleanup()


@pytest.mark.parametrize("command", cluster_parser.COMMANDS)
def test_help_shows_an_example(here: RunHere, command: str) -> None:
    done = here(command, "--help")
    assert done.returncode == 0
    assert f"  parallelflow {command}" in done.stdout.partition("example")[2]


def test_without_a_cluster_it_says_so(here: RunHere, in_use: str) -> None:
    done = here("info", "--profile", in_use)
    assert done.returncode == 1 and "no cluster" in done.stdout
    other = here("status", "--profile", in_use)
    assert (other.returncode, other.stdout) == (1, done.stdout)
    told = json.loads(here("info", "--profile", in_use, "--json").stdout)
    assert told["connected"] is False and told["engines"] == []
    done = here("cleanup", "--profile", in_use)
    assert done.returncode == 0 and "nothing running" in done.stdout
    done = here("shutdown", "--profile", in_use)
    assert done.returncode == 0 and "no cluster runs" in done.stdout
    for command in ("cleanup", "shutdown"):
        done = here(command, "--profile", in_use, "-q")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["info", "--profile", "nowhere"], "There is no IPython profile 'nowhere'"),
        (["info", "--profile", "../up"], "not a valid profile name"),
        (["info", "--watch", "--json"], "not allowed with"),
        (["start", "-n", "0"], "'0' is not a number of engines"),
        (["start", "-n", "many"], "'many' is not a number of engines"),
        (["start", "--launcher", "pigeons"], "There is no launcher 'pigeons'"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(here: RunHere, arguments: list[str], text: str) -> None:
    done = here(*arguments)
    assert done.returncode == 2 and text in done.stderr
    lines = [line for line in done.stderr.splitlines() if ": More: " not in line]
    assert len(lines) == 1 and "Traceback" not in done.stderr


def test_a_launcher_that_is_not_installed_is_code_1(here: RunHere) -> None:
    done = here("start", "-n", "2", "--launcher", "lsf")
    assert done.returncode == 1 and "needs the program bsub" in done.stderr


@pytest.mark.parametrize(
    ("launcher", "parts"),
    [
        ("local", ["the engines:", "(3 times)"]),
        ("mpi", ["mpiexec -n 3"]),
        ("slurm", ["sbatch slurm_engine.sbatch", "#SBATCH --ntasks=3", "srun"]),
        ("pbs", ["qsub", "#PBS -t 1-3"]),
        ("sge", ["qsub", "#$ -t 1-3"]),
        ("lsf", ["bsub", "#BSUB -J ipengine[1-3]"]),
        ("htcondor", ["condor_submit", "queue 3"]),
    ],
)
def test_a_dry_run_shows_command_or_script_and_starts_nothing(
    here: RunHere, in_use: str, launcher: str, parts: list[str]
) -> None:
    arguments = ["-n", "3", "--launcher", launcher, "--profile", in_use, "--dry-run"]
    done = here("start", *arguments)
    assert done.returncode == 0 and "launch.controller_main" in done.stdout
    assert all(part in done.stdout for part in parts)
    assert running(in_use) == {}


@pytest.mark.own_cluster
def test_what_one_starts_the_others_see_use_and_stop(here: RunHere, in_use: str) -> None:
    done = parallelflow("start", "-n", "1", "--profile", in_use, "--json")
    assert done.returncode == 0 and "1 VisTrails ready" in done.stderr
    told = json.loads(done.stdout)
    json_tables.check("start", told)
    assert (told["profile"], told["started"], len(told["engines"])) == (in_use, 1, 1)
    told = json.loads(here("info", "--json", "--profile", in_use).stdout)
    json_tables.check("info", told)
    assert [e["origin"] for e in told["engines"]] == ["left running"]
    listed = here("profiles").stdout.splitlines()
    [row] = [line for line in listed if line.startswith(f"{in_use} ")]
    assert "left running" in row
    manager = EngineManager(in_use)
    client = manager.ensure_engines()
    assert client is not None and client[0].apply_sync(pow, 2, 4) == 16
    assert manager.info().started(Origin.DETACHED) == 1
    manager.stop()
    # Without a terminal nobody can be asked.
    done = parallelflow("cleanup", "--profile", in_use)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert "1 controller and 1 engine" in done.stdout
    assert len(running(in_use)) > 0
    done = here("cleanup", "--profile", in_use, "--yes")
    assert done.returncode == 0 and done.stdout.endswith("stopped.\n")
    assert running(in_use) == {}


@pytest.mark.own_cluster
def test_cleanup_leaves_a_living_sessions_alone_and_shutdown_does_not(
    sessions: ForkServer, here: RunHere, in_use: str
) -> None:
    code = "manager.start_engines(1); tell('ready')\ntime.sleep(600)"
    with session(in_use, code, sessions) as one:
        one.wait_for("ready")
        before = running(in_use)
        done = parallelflow("cleanup", "--profile", in_use, "--yes")
        assert done.returncode == 0 and "another session of Parallel Flow" in done.stdout
        assert running(in_use) == before
        done = parallelflow("shutdown", "--profile", in_use)
        assert done.returncode == 2 and "1 engine (1 on " in done.stdout
        done = here("shutdown", "--profile", in_use, "--yes")
        assert done.returncode == 0
        one.kill()
    wait_until_gone(in_use, 30)


@pytest.mark.own_cluster
def test_the_answer_decides(in_use: str) -> None:
    with at_a_terminal("start", "-n", "1", "--profile", in_use) as (process, end):
        shown = read_until(end, "controller at")
        assert "starting a controller" in shown and "\r" in shown
        assert process.wait(LIMIT_SECONDS) == 0
    for answer, code in (("\n", 1), ("n\n", 1), ("y\n", 0)):
        with at_a_terminal("cleanup", "--profile", in_use) as (process, end):
            read_until(end, "[y/N]")
            os.write(end, answer.encode())
            assert process.wait(LIMIT_SECONDS) == code
        assert (running(in_use) == {}) is (code == 0)


@pytest.mark.own_cluster
def test_ctrl_c_during_a_start_leaves_nothing(in_use: str) -> None:
    with at_a_terminal("start", "-n", "2", "--profile", in_use) as (process, end):
        read_until(end, "starting a controller")
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) == 130
    assert running(in_use) == {}


@pytest.mark.own_cluster
def test_a_watch_follows_the_cluster_until_ctrl_c(in_use: str) -> None:
    manager = EngineManager(in_use)
    with at_a_terminal("info", "--watch", "--profile", in_use) as (process, end):
        read_until(end, "no cluster")
        manager.start_engines(1)
        read_until(end, "started by another session")
        manager.stop()
        read_until(end, "no cluster")
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) == 130, read_until(end, "###")
