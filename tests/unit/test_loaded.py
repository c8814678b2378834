"""What programs load that are started often: what they seldom need, only when they do."""

from __future__ import annotations

import subprocess
import sys

# What every guard needs, and what it needs only if something is left to be stopped or removed.
NEEDED = "dataclasses, json, logging, pathlib, psutil, socket, subprocess, typing"
SELDOM = (
    "concurrent.futures.thread",
    "ctypes",
    "hashlib",
    "ipyparallel",
    "multiprocessing.context",
    "parallelflow.errors",
    "secrets",
    "shutil",
    "tempfile",
    "zmq",
)
LOADED = f"""
import sys, {NEEDED}
before = set(sys.modules)
import {{module}}
print(*sorted(set({SELDOM}) & (set(sys.modules) - before)))
"""


def test_a_guard_loads_little() -> None:
    program = LOADED.format(module="parallelflow.engine_manager.system.guard")
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
