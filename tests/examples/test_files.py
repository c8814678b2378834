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


def test_the_script_makes_the_file_in_the_repository(name: str, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, EXAMPLES / f"make_{name}.py", tmp_path / "anew.vt"],
        check=True,
        capture_output=True,
        timeout=SECONDS,
        # Who and when must not show.
        env={**os.environ, "USER": "somebody", "LOGNAME": "somebody", "TZ": "Asia/Tokyo"},
    )
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
