"""Engines that other launchers start: by ssh (a real server), MPI, and a batch system.

The batch system is a stand-in of two lines of shell, since a real one wants a machine of its
own; ipyparallel's launcher and everything of ours are the real ones.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from parallelflow.engine_manager import EngineManager, State
from parallelflow.engine_manager.interaction import ConsoleInteraction
from parallelflow.engine_manager.model import Origin
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import EnginesFailed

from .sessions import running, session, wait_until, wait_until_gone

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.own_cluster, pytest.mark.slow]

PORT = 20222
SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")


@pytest.fixture
def server(tmp_path: Path, home: Path) -> Iterator[list[str]]:
    """Run an ssh server for this test; return the options by which ssh gets in."""
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(key, check=True)
    environment = f"HOME={home} IPYTHONDIR={os.environ['IPYTHONDIR']} PYTHONPATH={ROOT}"
    options = {
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "user.pub",
        "ListenAddress": "127.0.0.1",
        "Port": PORT,
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "PidFile": "none",
        "SetEnv": environment,
        "Subsystem": "sftp internal-sftp",
    }
    assert SSHD is not None
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [SSHD, "-D", "-f", "/dev/null"]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        time.sleep(1)
        ours = {"StrictHostKeyChecking": "no", "UserKnownHostsFile": tmp_path / "known"}
        options_in = ["-i", str(tmp_path / "user"), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        for name, value in ours.items():
            options_in += ["-o", f"{name}={value}"]
        yield options_in
        process.terminate()


def configure_ssh(profile: str, options: list[str], hosts: dict[str, int], remote: Path) -> None:
    folder = profiles.ensure_folder(profile)
    lines = {
        "engines": hosts,
        "ssh_args": [*options, "-p", str(PORT)],
        "scp_args": [*options, "-P", str(PORT)],
        "remote_python": sys.executable,
        "remote_profile_dir": str(remote),
    }
    text = "".join(f"c.SSHEngineSetLauncher.{k} = {v!r}\n" for k, v in lines.items())
    (folder / "ipcluster_config.py").write_text(text)


@pytest.mark.skipif(SSHD is None, reason="there is no ssh server to start")
def test_engines_by_ssh_are_started_told_and_stopped(
    manager: EngineManager, profile: str, server: list[str], tmp_path: Path
) -> None:
    configure_ssh(profile, server, {"127.0.0.1": 1}, tmp_path / "remote")
    manager.start_engines(1, "ssh")
    info = manager.info()
    assert manager.state is State.ENGINES and info.started(Origin.THIS_SESSION) == 1
    pid = info.engines[0].pid
    assert pid is not None and pid not in manager.started()
    [engine] = [p for p in manager.inventory().processes if p.kind == "engine"]
    assert engine.host == "127.0.0.1" and engine.text == "1 engine on 127.0.0.1 (ssh)"
    manager.stop()
    wait_until(lambda: not psutil.pid_exists(pid))


@pytest.mark.skipif(SSHD is None, reason="there is no ssh server to start")
def test_engines_by_ssh_end_with_a_killed_session(
    profile: str, server: list[str], tmp_path: Path
) -> None:
    configure_ssh(profile, server, {"127.0.0.1": 1}, tmp_path / "remote")
    code = "manager.start_engines(1, 'ssh')\ntell('pid', manager.info().engines[0].pid)\n"
    with session(profile, code + "time.sleep(600)") as one:
        [pid] = one.wait_for("pid")
        one.kill()
    wait_until(lambda: not psutil.pid_exists(int(pid)) and running(profile) == {})


@pytest.mark.skipif(SSHD is None, reason="there is no ssh server to start")
def test_a_host_that_cannot_be_reached_undoes_the_others(
    manager: EngineManager, profile: str, server: list[str], tmp_path: Path
) -> None:
    hosts = {"127.0.0.1": 1, "no-such-host.invalid": 1}
    configure_ssh(profile, server, hosts, tmp_path / "remote")
    with pytest.raises(EnginesFailed, match=r"could not be started: no-such-host\.invalid: ssh"):
        manager.start_engines(2, "ssh")
    wait_until_gone(profile)


def has_mpi() -> bool:
    return shutil.which("mpiexec") is not None and importlib.util.find_spec("mpi4py") is not None


@pytest.mark.skipif(not has_mpi(), reason="there is no mpiexec, or no mpi4py")
def test_engines_by_mpi_form_one_world(manager: EngineManager, profile: str) -> None:
    manager.start_engines(2, "mpi")
    client = manager.connect()
    assert client is not None
    size = "__import__('mpi4py.MPI').MPI.COMM_WORLD.Get_size()"
    assert client[:].apply_sync(eval, size) == [2, 2]
    assert [p.text.split()[0] for p in manager.inventory().processes][1].startswith("mpiexec")
    manager.stop()
    assert running(profile) == {}


@pytest.fixture
def batch_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for Slurm's commands on the path: jobs begin at once, one task each."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    scripts = {
        "sbatch": 'setsid sh "$1" > job.log 2>&1 & echo "Submitted batch job $!"',
        "srun": 'exec "$@"',
        "scancel": 'kill -- "-$1"; echo "$1" >> cancelled',
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_a_batch_job_is_submitted_told_and_cancelled(
    manager: EngineManager, profile: str, batch_system: Path
) -> None:
    manager.start_engines(1, "slurm")
    assert manager.info().started(Origin.THIS_SESSION) == 1
    [job] = [p for p in manager.inventory().processes if p.kind == "job"]
    number = job.text.removeprefix("job ").removesuffix(" (slurm)")
    assert number.isdigit() and job.host == "slurm"
    assert manager.replace_in_background(0) is False
    manager.stop()
    assert (batch_system / "cancelled").read_text() == f"{number}\n"
    wait_until_gone(profile)


def test_a_job_that_cannot_be_cancelled_is_told(
    manager: EngineManager, profile: str, batch_system: Path
) -> None:
    told: list[str] = []

    class Hears(ConsoleInteraction):
        def tell(self, message: str) -> None:
            told.append(message)

    manager.interaction = Hears()
    manager.start_engines(1, "slurm")
    manager.leave_running()
    scancel = batch_system / "scancel"
    scancel.write_text(scancel.read_text() + "echo 'no permission' >&2; exit 1\n")
    assert manager.cleanup() == []
    assert len(told) == 1 and told[0].startswith("job ") and told[0].endswith(": no permission")
    wait_until_gone(profile)


def test_a_batch_job_is_cancelled_when_its_session_is_killed(
    profile: str, batch_system: Path
) -> None:
    code = "manager.start_engines(1, 'slurm')\ntell('ready')\ntime.sleep(600)"
    with session(profile, code) as one:
        one.wait_for("ready")
        one.process.send_signal(signal.SIGKILL)
        one.end()
    wait_until(lambda: (batch_system / "cancelled").exists() and running(profile) == {})
