"""A script whose standard streams are closed, as in a job of cron or a service."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, os, psutil, subprocess, sys
from parallelflow.api import parallel_map
from parallelflow.engine_manager import get_manager

get_manager().configure("closed", engines=1, private=True)
values = parallel_map(lambda i: (print("x"), 2 * i)[1], [1, 2], ask=True)
# Here, in every process that we have started, and in a program of the script's own.
pids = [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]
kinds = {pid: [os.stat(f"/proc/{pid}/fd/{n}").st_mode for n in range(3)] for pid in pids}
names = {pid: [os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)] for pid in pids}
done = subprocess.run([sys.executable, "-c", "print('x' * 100)"]).returncode
with open("result.json", "w") as file:
    json.dump([values, done, kinds, names], file)
"""


@pytest.mark.own_cluster
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc to look into")
def test_no_file_or_socket_of_ours_is_a_standard_stream(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = ["bash", "-c", f"exec {sys.executable} script.py >&- 2>&- <&-"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path}
    assert subprocess.run(command, cwd=tmp_path, env=env, timeout=180).returncode == 0
    values, done, kinds, names = json.loads((tmp_path / "result.json").read_text())
    assert (values, done) == ([2, 4], 0)
    assert len(kinds) >= 4  # this process, the controller, an engine and its nanny
    for pid, modes in kinds.items():
        for mode, name in zip(modes, names[pid], strict=True):
            log = name.endswith(".log")
            assert name == os.devnull or stat.S_ISFIFO(mode) or log, (pid, names[pid])
