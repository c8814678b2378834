"""Engines of a host, forked by a process that has loaded their libraries: here, without ssh.

What they can do and how they end is in tests/fleet/test_ssh_engines.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from ipyparallel.cluster import launcher as ipp_launcher

from parallelflow.engine_manager.launch import launchers
from parallelflow.engine_manager.launch.ssh_hosts import start_hosts_side_by_side
from parallelflow.engine_manager.system.profiles import ensure_folder
from tests.support.waiting import wait_until

MODULE = "parallelflow.engine_manager.launch.host_engines"
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# What a fork would break, or its children share.
SAFE = """
import os, threading
def opened():
    # But for a library: libffi 3.5, which calls functions of others, has itself open.
    found = []
    for entry in os.listdir("/proc/self/fd"):
        if os.path.lexists(f"/proc/self/fd/{entry}"):  # not the list's own
            found.append(os.readlink(f"/proc/self/fd/{entry}"))
    return sorted(path for path in found if ".so." not in path)
before = opened()
import gc
from parallelflow.engine_manager.launch import host_engines
from parallelflow.system.collection import spare_start
assert host_engines.can_fork()
usual = gc.get_threshold()
spare_start()
host_engines.load()
assert gc.get_threshold() == usual
assert host_engines.can_fork() and opened() == before
import zmq
from IPython.core.getipython import get_ipython
from traitlets.config import Application
from vistrails.core.application import get_vistrails_application
assert zmq.Context._instance is None and get_ipython() is None
assert not Application.initialized() and get_vistrails_application() is None
done = threading.Event()
threading.Thread(target=done.wait).start()
assert not host_engines.can_fork()
done.set()
"""

# Nobody listens there.
CONNECTION = {
    "ssh": "", "interface": "tcp://127.0.0.1", "registration": 9, "location": "127.0.0.1",
    "key": "", "signature_scheme": "hmac-sha256", "pack": "json", "unpack": "json",
    "curve_serverkey": None,
}  # fmt: skip

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it forks on Linux")


@linux_only
def test_nothing_is_loaded_that_a_fork_would_break() -> None:
    subprocess.run([sys.executable, "-c", SAFE], check=True, env=ONE_THREAD)


def command(tmp_path: Path) -> tuple[list[str], str, list[Path]]:
    """Return a command that starts two engines, its input, and the files that they write to."""
    file = tmp_path / "engine.json"
    file.write_text(json.dumps(CONNECTION))
    options = [f"--file={file}", "--IPEngine.timeout=0.2", f"--profile-dir={tmp_path}"]
    outputs = [tmp_path / f"{number}.log" for number in range(2)]
    line = [sys.executable, "-m", MODULE, "ipyparallel.engine", *options]
    return line, json.dumps([str(output) for output in outputs]), outputs


@linux_only
def test_forked_engines_run_and_write_into_files_of_their_own(tmp_path: Path) -> None:
    line, given, outputs = command(tmp_path)
    told = subprocess.run(line, input=given, capture_output=True, text=True, env=ONE_THREAD)
    assert told.returncode == 0, told.stderr
    pids = dict(re.findall(r"__started (\d) (\d+)__", told.stdout))
    assert list(pids) == ["0", "1"] and len(set(pids.values())) == 2
    ends = "Registration timed out after 0.2 seconds"
    wait_until(lambda: all(ends in text_of(output) for output in outputs))
    wait_until(lambda: not running(tmp_path))
    # That is for files of the user's.
    assert not any("has ended the engine" in text_of(output) for output in outputs)


@linux_only
def test_engines_of_which_nobody_could_be_told_do_not_begin(tmp_path: Path) -> None:
    line, given, outputs = command(tmp_path)
    read, write = os.pipe()
    os.close(read)
    told = subprocess.run(line, input=given, text=True, stdout=write, env=ONE_THREAD)
    os.close(write)
    assert told.returncode == 0  # or the host's script would start others
    wait_until(lambda: not running(tmp_path))
    assert not any(output.exists() for output in outputs)


def running(folder: Path) -> bool:
    """Whether there is an engine, or a nanny, of a profile."""
    found = psutil.process_iter(["cmdline"])
    return any(f"--profile-dir={folder}" in (one.info["cmdline"] or []) for one in found)


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


FORKS = """
cat > {folder}/given
echo __started 0 4711__
echo __started 1 4712__
"""
FORKED, ALONE = f"-m {MODULE} ipyparallel.engine", "-m ipyparallel.engine"


@pytest.mark.parametrize(
    ("says", "options", "ran"),
    [
        pytest.param(FORKS, [], [FORKED], id="it can"),
        pytest.param("exit 1", [], [FORKED, ALONE, ALONE], id="it lacks this package"),
        pytest.param("", ["-E"], [f"-E {ALONE}"] * 2, id="the profile has a command of its own"),
    ],
)
def test_a_host_forks_its_engines_where_it_can(
    tmp_path: Path, says: str, options: list[str], ran: list[str]
) -> None:
    script = f'echo "$@" >> {tmp_path}/ran\ncase "$2" in {MODULE}) {says};; esac'
    program = make_program(tmp_path / "python", script)
    ssh = make_program(tmp_path / "stand-in", 'shift; exec "$@"')
    engine = {"n": 2, "engine_cmd": [program, *options, "-m", "ipyparallel.engine"]}
    engines = start_on(tmp_path, ssh, {"here": engine})
    wait_until(lambda: text_of(tmp_path / "ran").splitlines() == ran)
    outputs = [one.remote_output_file for one in engines]
    if says == FORKS:
        assert [one.pid for one in engines] == [4711, 4712]
        assert json.loads(text_of(tmp_path / "given")) == outputs
    else:
        assert all(one.pid > 0 for one in engines) and all(Path(o).exists() for o in outputs)


def make_program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n".replace("{folder}", str(path.parent)))
    path.chmod(0o755)
    return str(path)


def start_on(tmp_path: Path, ssh: str, hosts: dict[str, Any]) -> list[Any]:
    """Start the engines of some hosts, which are reached by a program in the place of ssh."""
    start_hosts_side_by_side()
    folder = ensure_folder("forks")
    for kind in ("client", "engine"):
        (folder / "security" / f"ipcontroller-{kind}.json").write_text("{}")
    launcher = ipp_launcher.SSHEngineSetLauncher(
        parent=launchers.cluster_of(folder),
        profile_dir=str(folder),
        cluster_id="",
        remote_profile_dir=str(tmp_path / "remote"),
        ssh_cmd=[ssh],
        engines=hosts,
    )
    asyncio.run(launcher.start(2))
    return list(launcher.launchers.values())
