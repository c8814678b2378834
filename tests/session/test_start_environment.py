"""What engines need for their start does not reach the programs that elements start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.work.mapping import map_on_cluster

SECONDS = 120
NAMES = ("PYTHONSAFEPATH", "PYTHONPATH", "MPLBACKEND", "PARALLELFLOW_BEFORE_START")


@pytest.mark.own_cluster
def test_programs_of_elements_find_their_own_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also engines start beside a file that has the name of a module of the library."""
    (tmp_path / "random.py").write_text("raise RuntimeError('this is no library')")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "sibling.py").write_text("answer = 42")
    (tmp_path / "tools" / "step.py").write_text("import sibling; print(sibling.answer)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)

    def run(name: str) -> Any:
        step = [sys.executable, "tools/step.py"]
        seen = subprocess.run(["sh", "-c", f"echo ${name}"], capture_output=True, text=True)
        return subprocess.run(step, capture_output=True, text=True).stdout, seen.stdout.strip()

    manager = EngineManager(profile="start")
    manager.configure(engines=1, private=True)
    try:
        client: Any = manager.ensure_engines()
        found = map_on_cluster(client, run, [(name,) for name in NAMES], timeout=SECONDS)
        assert found == [("42\n", value) for value in ("", "/somewhere", "agg", "")]
        # What the session sets is what they get.
        monkeypatch.setenv("MPLBACKEND", "svg")
        monkeypatch.setenv("PYTHONSAFEPATH", "1")
        found = map_on_cluster(client, run, [(name,) for name in NAMES[::2]], timeout=SECONDS)
        assert found == [("", "1"), ("", "svg")]
        # Without a run around it, too.
        own = client[0].apply_sync(lambda: [os.environ.get(n) for n in NAMES[:2]])
        assert own == [None, "/somewhere"]
    finally:
        manager.stop()
