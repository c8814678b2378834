"""The examples' files in the repository are what their scripts make, anywhere."""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.fork_server import ROOT, ForkServer

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

# A guard against deadlocks.
SECONDS = 180.0

# Every module says which version of its package it was made with.
PACKAGE_VERSION = r'(package="[^"]+" )version="[^"]*"'

pytestmark = pytest.mark.parametrize("name", ["digits_sweep", "epidemic", "measures", "outbreak"])


def tree(path: Path) -> str:
    """Return the version tree in a vistrail, without the versions of packages."""
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["vistrail"]
        return re.sub(PACKAGE_VERSION, r"\1", archive.read("vistrail").decode())


# The first script is a process of its own; others are forked from one that has the libraries.
STARTED = "digits_sweep"


def test_the_script_makes_the_file_in_the_repository(
    name: str, tmp_path: Path, sessions: ForkServer
) -> None:
    script, made = EXAMPLES / f"make_{name}.py", str(tmp_path / "anew.vt")
    # Who and when must not show.
    environment = {**os.environ, "USER": "somebody", "LOGNAME": "somebody", "TZ": "Asia/Tokyo"}
    if name == STARTED:
        done = subprocess.run(
            [sys.executable, script, made],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=environment,
        )
    else:
        environment["PYTHONPATH"] = str(ROOT)
        done = sessions.run_script(script, tmp_path, environment, SECONDS, [made])
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "anew.vt") == tree(EXAMPLES / f"{name}.vt")


def test_the_file_tells_nothing_of_the_machine_it_was_made_on(name: str) -> None:
    content = tree(EXAMPLES / f"{name}.vt")
    assert not re.search(r"/(tmp|home|work|root)\b", content)
    # A date other than the fixed one, or a session, would be the maker's.
    assert set(re.findall(r' date="([^"]*)"', content)) == {"2025-01-01 00:00:00"}
    assert set(re.findall(r' session="([^"]*)"', content)) == {""}
    assert set(re.findall(r' user="([^"]*)"', content)) == {"Parallel Flow"}
    assert f'"{getpass.getuser()}"' not in content
    assert f'"{socket.gethostname()}"' not in content
