"""The guide's exploration in the window: the script that makes its picture does what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

pytest.importorskip("PyQt5.QtGui")
pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.own_cluster]

SECONDS = 280.0


def test_the_picture_of_cells_comes_from_the_window(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("make_cells.py", "make_screenshots.py", "examples"):
        copy = shutil.copytree if (ROOT / "docs" / name).is_dir() else shutil.copy
        copy(ROOT / "docs" / name, docs / name)
    (docs / "images").mkdir()
    subprocess.run(
        [sys.executable, docs / "make_cells.py"],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=SECONDS,
    )
    from PyQt5.QtGui import QImage

    made, shown = (QImage(str(f / "images" / "cells.png")) for f in (docs, ROOT / "docs"))
    assert made.size() == shown.size() and not made.isNull()
    colours = {made.pixel(x, y) for x in range(0, made.width(), 3) for y in range(0, made.height())}
    assert len(colours) > 50, "the cells are empty"
