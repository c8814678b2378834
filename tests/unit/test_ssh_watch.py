"""Which engines of a host have ended, or are about to: its script, run here without ssh."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from parallelflow.engine_manager.launch.ssh_watch import SshWatch
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it is run by sh")

Engine = Callable[..., Any]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return a function that makes the launcher of an engine, which sleeps."""
    here = tmp_path / "on-a-host"
    here.write_text('#!/bin/sh\nshift\nexec "$@"\n')  # the host's name is of no use
    here.chmod(0o700)
    processes: list[subprocess.Popen[bytes]] = []

    def make(log: str, ended: bool = False) -> Any:
        process = subprocess.Popen(["sleep", "600"])
        processes.append(process)
        if ended:
            process.kill()
            process.wait()
        file = tmp_path / f"{process.pid} of a host.log"
        file.write_text(log)
        return SimpleNamespace(
            ssh_cmd=[str(here)],
            ssh_args=[],
            location="me@host",
            hostname="host",
            pid=process.pid,
            remote_output_file=str(file),
            state="running",
        )

    yield make
    for process in processes:
        process.kill()
        process.wait()


def test_an_engine_is_told_that_has_ended_or_has_found_nobody(engine: Engine) -> None:
    well = engine("Registering with controller at tcp://10.0.0.1:9\n")
    late = engine("CRITICAL | Registration timed out after 5.0 seconds\n")
    dead = engine("no such module\n", ended=True)
    watch = SshWatch([well, late, dead])
    try:
        wait_until(lambda: len(watch.ended()) == 2)
        told = {one.pid: (one.host, one.log) for one in watch.ended()}
        assert told == {
            late.pid: ("host", "CRITICAL | Registration timed out after 5.0 seconds"),
            dead.pid: ("host", "no such module"),
        }
        assert [one.state for one in (well, late, dead)] == ["running", "after", "after"]
    finally:
        watch.close()


def test_nobody_looks_any_more_once_all_have_registered(engine: Engine) -> None:
    watch = SshWatch([engine("")])
    before = set(psutil.Process().children(recursive=True))
    assert watch.ended() == []
    wait_until(lambda: set(psutil.Process().children(recursive=True)) - before)
    looking = set(psutil.Process().children(recursive=True)) - before
    watch.close()
    wait_until(lambda: not any(process.is_running() for process in looking))
    assert watch.ended() == []
