"""Sessions that are killed, changed and run at once: real engines, real Maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.fork_server import ForkServer
from tests.support.waiting import wait_until

from .kills import Session, run_with_kills, start

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have checkpoints of this test alone."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.own_cluster
@pytest.mark.parametrize("kind", ["map", "api"])
def test_a_session_that_is_killed_loses_nothing(
    tmp_path: Path, sessions: ForkServer, kind: str
) -> None:
    """As often as the suite has time for; `tests.checkpoints.kills` does it 40 times."""
    kills, seconds = (2, 0.01) if kind == "map" else (3, 0.005)
    report = run_with_kills(tmp_path, kills, 800, seconds, kind, 2.0, sessions)
    assert report.kills and (report.wrong, report.too_early) == (0, [])
    assert not list((tmp_path / "home").rglob("*.checkpoint"))


def is_written(home: Path) -> bool:
    return any(file.stat().st_size for file in home.rglob("*.checkpoint"))


def end(session: Session, folder: Path) -> tuple[Any, str]:
    """Return what a session has computed, and what it has told."""
    errors = session.end()
    assert session.process.returncode == 0, errors
    return json.loads((folder / "result").read_text()), errors


def test_a_changed_function_begins_anew_and_says_why(tmp_path: Path, sessions: ForkServer) -> None:
    killed = start(tmp_path, 2000, 0.02, "api", server=sessions)
    wait_until(lambda: is_written(tmp_path))
    killed.process.kill()
    killed.end()
    values, errors = end(start(tmp_path, 20, 0.0, "api", "4", server=sessions), tmp_path)
    assert values == [i * 4 + 7 for i in range(20)]
    assert "not resuming the run of today" in errors and "the function has changed" in errors


def test_two_sessions_at_once_have_a_checkpoint_each(tmp_path: Path, sessions: ForkServer) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = start(tmp_path / "a", 200, 0.03, "api", server=sessions)
    wait_until(lambda: is_written(tmp_path))
    # The same function but for where it notes what it has computed.
    second = start(tmp_path / "b", 200, 0.02, "api", server=sessions)
    assert [end(first, tmp_path / "a")[0], end(second, tmp_path / "b")[0]] == [
        [i * 3 + 7 for i in range(200)]
    ] * 2
    assert not list((tmp_path / "home").rglob("*.checkpoint"))
