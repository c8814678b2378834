"""The package imports nothing that only Unix has.

Nobody has tried it on Windows; this much can be seen here: in a process in which Unix' modules
cannot be imported, and its functions and signals are not there, every module is imported.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import importlib, os, pkgutil, signal, sys, types
# What others import for themselves on each system.
import ctypes, multiprocessing.pool, socketserver, subprocess, tempfile, shutil, asyncio, psutil
import IPython, tornado.ioloop, zmq, ipykernel.kernelapp, jupyter_client, traitlets
import ipyparallel, ipyparallel.apps, ipyparallel.engine.app, ipyparallel.engine.nanny
import ipyparallel.cluster.launcher, ipyparallel.cluster.cluster

for name in ("fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGWINCH", "SIGCHLD"):
    delattr(signal, name)
for name in ("fork", "geteuid", "getuid", "getpgid", "killpg", "register_at_fork", "setsid",
             "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_DIRECTORY", "uname"):
    delattr(os, name)
os.environ.update(HOMEDRIVE="C:", HOMEPATH="home")  # VisTrails asks for them on Windows
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
sys.platform = "win32"
import parallelflow
names = [m.name for m in pkgutil.walk_packages(parallelflow.__path__, "parallelflow.")]
assert len(names) > 50, names
for name in names:
    if name.endswith("__main__") or ".standins" in name:  # they run, or stand for other modules
        continue
    try:
        importlib.import_module(name)
    except Exception as e:
        print(f"{name}: {type(e).__name__}: {e}")
"""


def test_every_module_is_imported_where_unix_modules_are_not(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stdout + done.stderr
