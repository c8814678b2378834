"""Programs that tests fork end and write as those that Python starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.fork_server import ForkServer


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


def test_its_environment_is_given(server: ForkServer) -> None:
    environment = {**os.environ, "PYTHONUSERBASE": "/somewhere"}
    told = server.run("site", ["--user-base"], environment, 60)
    assert told.stdout == "/somewhere\n" and os.environ.get("PYTHONUSERBASE") != "/somewhere"


def test_one_that_does_not_end_is_killed(server: ForkServer) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        server.run("http.server", ["--bind", "127.0.0.1", "0"], os.environ, 1.0)
