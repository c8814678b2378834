"""Run `parallelflow run FILE` again and again, each time in a process of its own, warmly started.

    python tools/example_processes.py [IDENTIFIER ...]

VisTrails is started once, with the packages named; the modules of vtk alone take ten seconds.
Each line of the input, of JSON, forks a process: the file, its folder, its home, where it writes
and how many seconds it has. The line of output is its exit code, or null if it did not end in time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

#: Seconds between two looks at whether it has ended.
POLL_INTERVAL = 0.1


def run(path: str, work: str, home: str, said: str, limit: float) -> int | None:
    """Run a file in a forked process; return its exit code as `subprocess` tells it."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = _run_here(path, work, home, said)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # what was started once is cleaned up once, elsewhere
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_INTERVAL)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _run_here(path: str, work: str, home: str, said: str) -> int:
    os.setsid()
    os.chdir(work)
    os.environ["HOME"] = home
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from parallelflow.cli import main as parallelflow

    return parallelflow(["run", path])


def main() -> int:
    """Serve requests until the input ends."""
    from parallelflow import host

    host.start_core(sys.argv[1:], execution_log=False)
    answers = os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    requests = os.fdopen(os.dup(0))
    os.dup2(nothing, 0)
    for line in requests:
        request: dict[str, Any] = json.loads(line)
        answers.write(json.dumps(run(**request)) + "\n")
        answers.flush()
    host.stop_core()
    return 0


if __name__ == "__main__":
    sys.exit(main())
