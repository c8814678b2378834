"""The distributions of this checkout, built once for the tests that look at them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build a source distribution, and the wheel from that alone; return both paths."""
    folder = tmp_path_factory.mktemp("distributions")
    checkout = folder / "checkout"
    left_out = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, checkout, ignore=left_out)
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    subprocess.run([sys.executable, "-c", build], cwd=checkout, check=True, capture_output=True)
    (source,) = folder.glob("*.tar.gz")
    wheel = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir"]
    subprocess.run([sys.executable, *wheel, folder, source], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return source, built
