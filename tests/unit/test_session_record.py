"""The record of what a session has started is the last of its files to go."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow.engine_manager.system import records
from parallelflow.engine_manager.system.records import SessionRecord, fingerprint, read

CLIENT = "security/ipcontroller-client.json"
FILES = (
    "security/ipcontroller-engine.json",
    CLIENT,
    "security/cluster-.json",
    "log/engines.json",
    "log/ipcontroller-1.log",
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the session is done after it."""


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for none: it takes a while, and there are none."""
    monkeypatch.setattr(records, "find_by_token", lambda token: [])


@pytest.fixture
def record(tmp_path: Path) -> SessionRecord:
    """Return the record of a cluster whose processes have ended and have left their files."""
    for name in ("pid/lock", *FILES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    for name in FILES:
        (tmp_path / name).write_text(name)
    made = SessionRecord.of_this_session(tmp_path)
    made.files = list(FILES)
    made.connection = fingerprint(tmp_path / CLIENT)
    made.announce()
    return made


def left(record: SessionRecord) -> list[str]:
    folder = record.path.parent.parent
    return [name for name in FILES if (folder / name).exists()]


def killed_at(monkeypatch: pytest.MonkeyPatch, removal: int) -> Iterator[int]:
    """Kill whoever removes files right after a number of them; return their count."""
    count = itertools.count(1)
    unlink = Path.unlink

    def counted(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if next(count) == removal:
            raise Killed

    monkeypatch.setattr(Path, "unlink", counted)
    return count


@pytest.mark.parametrize("coming_up", [False, True])
@pytest.mark.parametrize("removal", range(1, len(FILES) + 2))
def test_what_a_killed_session_has_not_removed_is_named_by_its_record(
    record: SessionRecord, monkeypatch: pytest.MonkeyPatch, removal: int, coming_up: bool
) -> None:
    if coming_up:
        # Until it has gone, nobody but the session knows whose the connection file is.
        removal = max(removal, 2)
        record.connection = ""
        record.announce()
    with monkeypatch.context() as patch:
        killed_at(patch, removal)
        with pytest.raises(Killed):
            record.stop(coming_up=coming_up)
    assert record.path.exists() == (removal <= len(FILES))
    found = read(record.path)
    if found is not None:
        assert found.stop() == []
    assert left(record) == [] and not record.path.exists()


def test_a_record_names_its_files_before_there_is_a_process(record: SessionRecord) -> None:
    record.write()
    found = read(record.path)
    assert found is not None and found.files == list(FILES)


def test_a_record_that_another_one_has_removed_does_not_come_back(
    record: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard and the next session may do the same at the same time; that one holds the lock."""

    @contextlib.contextmanager
    def lock(folder: Path, seconds: float) -> Iterator[bool]:
        record.path.unlink()
        yield False

    monkeypatch.setattr(records, "profile_lock_if_free", lock)
    assert record.stop() == []
    assert not record.path.exists()


def test_a_record_stays_as_it_is_while_another_one_holds_the_lock(
    record: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one may remove it at any moment: it would come back if it was written."""
    written = record.path.read_text()

    @contextlib.contextmanager
    def lock(folder: Path, seconds: float) -> Iterator[bool]:
        yield False

    monkeypatch.setattr(records, "profile_lock_if_free", lock)
    assert record.stop() == []
    assert record.path.read_text() == written and CLIENT in left(record)
