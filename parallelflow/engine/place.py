"""Whether this process is an engine of a cluster, or descends from one.

Work that is asked for there is done there: a program that an element starts and waits for would
wait for the very cluster that waits for it. Standard library only.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["VARIABLE", "description", "is_engine", "mark", "on_engine"]

VARIABLE = "PARALLELFLOW_ON_ENGINE"
"""The environment variable by which the processes that an engine starts know it."""


def mark() -> None:
    """Mark the environment: processes started from now on know that they are an engine's."""
    os.environ[VARIABLE] = "1"


def is_engine() -> bool:
    """Return True if this process itself is an engine of ipyparallel."""
    traitlets = sys.modules.get("traitlets.config")
    if traitlets is None or not traitlets.Application.initialized():
        return False
    classes = type(traitlets.Application.instance()).__mro__
    return any(each.__name__ == "IPEngine" for each in classes)


def on_engine() -> bool:
    """Return True if this process is an engine or descends from one."""
    return bool(os.environ.get(VARIABLE)) or is_engine()


def description() -> dict[str, Any]:
    """Return what a session is told of this process and its machine.

    Returns
    -------
    dict
        ``host``, ``pid``, ``python``, ``system``; ``bits``, what VisTrails' log calls the
        architecture; ``clock``, the monotonic one; ``time``, that of the day; ``machine``, what
        engines have in common that may share memory: whether they do is found out by opening a
        file.
    """
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    host = socket.gethostname()
    return {
        "host": host,
        "pid": os.getpid(),
        "python": platform.python_version(),
        "system": platform.system(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "clock": time.monotonic(),
        "time": time.time(),
        "machine": f"{host} {boot}",
    }
