"""What a command leaves in a fresh home, working directory and folder for temporary files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import SECONDS, command, environment

# A profile's folders, the lock (which cannot be removed: another session may be waiting for it).
PROFILE = {
    "home/ipython/profile_default",
    "home/ipython/profile_default/log",
    "home/ipython/profile_default/pid",
    "home/ipython/profile_default/pid/parallelflow.lock",
    "home/ipython/profile_default/security",
    "home/ipython/profile_default/startup",
}

# Where a run that takes a second or more keeps its elements until it has ended well.
CHECKPOINTS = {
    "home/.vistrails",
    "home/.vistrails/parallelflow",
    "home/.vistrails/parallelflow/checkpoints",
}

API = "from parallelflow.api import parallel_map as m; print(m(abs, [-1, -2], ask=True))"

COMMANDS: dict[str, list[list[str]]] = {
    "run in parallel": [command("run", "{cases}:parallel_map", "--engines", "1")],
    "run with a failure": [command("run", "{cases}:element_fails", "--engines", "1")],
    "run a serial Map": [command("run", "{cases}:serial_map")],
    "run what is not there": [command("run", "nothing.vt")],
    "check": [command("check")],
    "profiles": [command("profiles")],
    "info": [command("info")],
    "dry run": [command("start", "-n", "1", "--dry-run")],
    "dry run of a job": [command("start", "-n", "1", "--dry-run", "--launcher", "slurm")],
    "start and clean up": [
        command("start", "-n", "1"),
        command("info"),
        command("cleanup", "--yes"),
    ],
    "start and shut down": [command("start", "-n", "1"), command("shutdown", "--yes")],
    "job and clean up": [
        command("start", "-n", "1", "--launcher", "slurm"),
        command("cleanup", "--yes"),
    ],
    "api": [[sys.executable, "-c", API]],
}

# A stand-in for Slurm: jobs begin at once.
SLURM = {
    "sbatch": 'setsid sh "$1" > "$0.log" 2>&1 & echo "Submitted batch job $!"',
    "srun": 'exec "$@"',
    "scancel": 'kill -- "-$1"',
}


def there(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.own_cluster
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_leaves_nothing_behind(cases: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / "place"
    for folder in ("home/ipython", "cwd", "tmp"):
        (place / folder).mkdir(parents=True)
    for program, text in SLURM.items():
        (tmp_path / program).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / program).chmod(0o755)
    variables = {
        **environment(),
        "HOME": str(place / "home"),
        "IPYTHONDIR": str(place / "home" / "ipython"),
        "TMPDIR": str(place / "tmp"),
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    }
    before = there(place)
    for words in COMMANDS[name]:
        ended = subprocess.run(
            [word.format(cases=cases) if "{cases}" in word else word for word in words],
            cwd=place / "cwd",
            env=variables,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
        assert "Traceback" not in ended.stderr or name == "run with a failure", ended.stderr
    left = there(place) - before - PROFILE - CHECKPOINTS
    if name == "run with a failure":  # so that the next one goes on where it was
        kept = [path for path in left if path.startswith("home/.vistrails")]
        assert sum(path.endswith(".checkpoint") for path in kept) <= 1
        left -= {path for path in kept if path.endswith(".checkpoint")}
    # IPython's own: a note on what the folder is for, where it has made the folder itself.
    assert left <= {"home/ipython/profile_default/startup/README"}


@pytest.mark.own_cluster
def test_runs_at_once_have_engines_of_their_own(cases: Path, tmp_path: Path) -> None:
    variables = {**environment(), "IPYTHONDIR": str(tmp_path / "ipython")}
    words = command("run", f"{cases}:parallel_map", "--engines", "1")
    started = [
        subprocess.Popen(
            words,
            cwd=tmp_path,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = [one.communicate(timeout=SECONDS) for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], told
    assert {out for out, _ in told} == {"[2, 4, 6]\n"}
