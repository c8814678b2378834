"""The command in processes of its own, the workflows it runs, a cluster that runs already."""

from __future__ import annotations

import csv
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from parallelflow.engine_manager import get_manager
from tests.support.command import RunHere, run_here
from tests.support.fork_server import ForkServer
from tests.support.shared_cluster import cluster_of

ROOT = Path(__file__).resolve().parents[2]

# The example of tables of runs and explorations.
EPIDEMIC = ROOT / "docs" / "examples" / "epidemic.vt"

# A guard against deadlocks: VisTrails, a cluster and a few elements on a busy machine.
SECONDS = 180.0

# The profile whose cluster runs before the command does, and goes on after it.
PROFILE = "running"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: object) -> list[str]:
    """Return the command line of ``parallelflow`` with these arguments."""
    return [sys.executable, "-m", "parallelflow", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return an environment in which the checkout is what is imported."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV table."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session", autouse=True)
def no_engines_of_this_process() -> None:
    """Stop the shared cluster: commands in this process would find it, and stop it."""
    get_manager().stop()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take back what a command that ran in this process has set: others look at the records."""
    loggers = [logging.getLogger(name) for name in ("parallelflow", "vistrails")]
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture(scope="session")
def parallelflow(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the command to its end, in an empty folder; return its code and what it wrote."""
    folder = tmp_path_factory.mktemp("cwd")

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            **{  # type: ignore[call-overload]
                "capture_output": True,
                "text": True,
                "stdin": subprocess.DEVNULL,
                "timeout": SECONDS,
                "cwd": folder,
                "env": environment(),
                **options,
            },
        )

    return run


@pytest.fixture(scope="session")
def forked(sessions: ForkServer) -> Run:
    """Run the command as `parallelflow` does, forked from a process that has its libraries.

    For runs of which the code and the output count, and what stays, and that need a process of
    their own. Others of their kind start anew.
    """

    def run(
        *arguments: object, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        return sessions.run("parallelflow", words, env or environment(), SECONDS)

    return run


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Run the command in this process; see `run_here`."""
    return run_here(capsys)


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory, sessions: ForkServer) -> Path:
    """Return the vistrail with a tagged version per case; see make_cases.py."""
    folder = tmp_path_factory.mktemp("cases")
    made = sessions.run("tests.cli.make_cases", [str(folder)], environment(), SECONDS)
    assert made.returncode == 0, made.stderr
    return folder / "cases.vt"


@pytest.fixture(scope="session")
def running() -> Iterator[str]:
    """Start a cluster of two engines that the command may use; yield its profile."""
    with cluster_of(PROFILE):
        yield PROFILE
