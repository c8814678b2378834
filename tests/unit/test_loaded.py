"""What programs load that are started often: what they seldom need, only when they do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


VERSIONS = """
import sys
from parallelflow.engine_manager.monitor import own_versions
told = own_versions()
print("ipyparallel" in sys.modules)
import ipyparallel
own_versions.cache_clear()
print(own_versions() == told)
"""


def test_the_versions_are_told_without_loading_ipyparallel() -> None:
    command = [sys.executable, "-c", VERSIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("arguments", "seldom"),
    [
        (["--help"], ["psutil", "tqdm", "zmq"]),
        (["profiles"], ["asyncio", "ipyparallel", "IPython", "tqdm"]),
        (["info"], ["asyncio", "ipyparallel", "IPython", "tqdm"]),
    ],
)
def test_a_command_loads_what_it_needs(
    arguments: list[str], seldom: list[str], tmp_path: Path
) -> None:
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path)}  # no cluster runs there
    program = (
        "import sys; from parallelflow.cli import main; main(sys.argv[1:]); "
        f"print([name for name in {seldom} if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[]"


LOOKS = """
from importlib import metadata
looks = []
distributions = metadata.distributions
def look(**options):
    looks.append(options)
    return distributions(**options)
metadata.distributions = look
plain = metadata.entry_points
{load}
during = len(looks)
from ipyparallel import traitlets
kept = traitlets.entry_points
ours = metadata.entry_points is plain
for group in ("ipyparallel.engine_launchers", "ipyparallel.controller_launchers", "none"):
    assert kept(group=group) == plain(group=group)
print(during, len(looks) - during, ours)
"""
OURS = """
from parallelflow.engine_manager.system.ipyparallel_load import load_ipyparallel
load_ipyparallel()
load_ipyparallel()
"""


def looks(load: str) -> list[str]:
    command = [sys.executable, "-c", LOOKS.replace("{load}", load)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_ipyparallel_is_loaded_with_one_look_at_what_is_installed() -> None:
    assert int(looks("import ipyparallel")[0]) > 1, "the fault is gone: this is not needed any more"
    # Who asks later is told what is installed then.
    assert looks(OURS) == ["1", "6", "True"]
