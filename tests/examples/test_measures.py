"""The example with figures: engines draw what the session draws."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.test_files import EXAMPLES, SECONDS
from tests.support.fork_server import ForkServer


def command(version: str, sheet: Path, *options: str) -> list[str]:
    settings = ["--set", f"sheet={sheet}", "--set", "count=7", "--set", "bins=8"]
    return ["run", f"{EXAMPLES / 'measures.vt'}:{version}", *settings, *options]


def printed(result: subprocess.CompletedProcess[str], sheet: Path) -> list[str]:
    assert result.returncode == 0, result.stderr
    return result.stdout.replace(str(sheet), "SHEET").splitlines()


@pytest.mark.own_cluster
def test_the_sheet_of_the_engines_figures_is_the_same(tmp_path: Path, windows: ForkServer) -> None:
    pytest.importorskip("matplotlib", reason="the example draws with VisTrails' package matplotlib")
    sheet = tmp_path / "serial.png"
    drawn = windows.run("parallelflow", command("serial", sheet), os.environ, SECONDS)
    serial, sheet = printed(drawn, sheet), tmp_path / "parallel.png"
    parallel = subprocess.run(
        [sys.executable, "-m", "parallelflow", *command("parallel", sheet, "--engines", "1")],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert printed(parallel, sheet) == serial
    picture = (tmp_path / "serial.png").read_bytes()
    assert (tmp_path / "parallel.png").read_bytes() == picture
    # Two rows of five, of 300 times 200 pixels.
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [1500, 400]
    assert serial[2] == "  mean perimeter: 0.947"
    assert serial[-1] == "7 figures in SHEET, the best first"
