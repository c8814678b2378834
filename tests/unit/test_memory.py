"""Memory is what the process may have: a container's limit counts, not only the machine's."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from parallelflow.engine_manager.launch import capacity
from parallelflow.system import memory
from parallelflow.work import arguments

GROUPS = Path("/proc/self/cgroup")
LIMIT, USED, CACHE = 3_000_000_000, 1_500_000_000, 500_000_000

pytestmark = pytest.mark.skipif(not GROUPS.exists(), reason="this system has no control groups")


@pytest.fixture(autouse=True)
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process a control group of 3 GB, 1 GB of which it uses."""
    for folder, limit, usage, cache in (
        (tmp_path, "memory.max", "memory.current", "inactive_file"),
        (
            tmp_path / "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        folder.mkdir(exist_ok=True)
        (folder / limit).write_text(f"{LIMIT}\n")
        (folder / usage).write_text(f"{USED}\n")
        (folder / "memory.stat").write_text(f"anon 5\n{cache} {CACHE}\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_last", (0.0, None))


def test_what_is_left_of_a_group_is_what_is_free() -> None:
    assert psutil.virtual_memory().available > LIMIT, "this machine is too small for the test"
    left = LIMIT - USED + CACHE
    assert memory.available_memory() == memory.free_memory() == left
    assert memory.free_memory(swap=True) == left
    assert memory.total_memory() == LIMIT


def test_engines_and_elements_are_counted_by_it() -> None:
    assert capacity.room() == (LIMIT - USED + CACHE) // capacity.ENGINE_BYTES
    with pytest.raises(ValueError, match="memory of 3 GB"):
        arguments.element_count((range(LIMIT // 8 + 1),))


def test_memory_runs_low_when_little_of_a_group_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> tuple[int, int] | None:
        monkeypatch.setattr(memory, "_last_shortage", (0.0, None))
        return memory.shortage()

    assert look() is None
    for folder, name in (
        (tmp_path, "memory.current"),
        (tmp_path / "memory", "memory.usage_in_bytes"),
    ):
        (folder / name).write_text(f"{LIMIT - 1_000_000 + CACHE}\n")
    assert look() == (1_000_000, LIMIT)
    # Files that are cached are dropped when there is need.
    for folder, name in ((tmp_path, "active_file"), (tmp_path / "memory", "total_active_file")):
        with (folder / "memory.stat").open("a") as stream:
            stream.write(f"{name} {LIMIT // 2}\n")
    assert look() is None


def test_a_limit_above_the_machines_memory_limits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, names in (
        (tmp_path, ("memory.max", "memory.current")),
        (tmp_path / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")),
    ):
        for name in names:
            (folder / name).write_text(f"{2**62}\n")
    monkeypatch.setattr(memory, "_last_shortage", (0.0, None))
    assert memory.shortage() is None


def test_what_the_system_kills_for_memory_is_counted(tmp_path: Path) -> None:
    before = memory.memory_kills()
    (tmp_path / "memory.events").write_text("oom 5\noom_kill 2\n")
    (tmp_path / "memory" / "memory.oom_control").write_text("oom_kill_disable 0\noom_kill 2\n")
    assert memory.memory_kills() >= before + 2


def test_amounts_are_read_at_a_glance() -> None:
    assert [memory.shown_bytes(size) for size in (0, 310 * 2**20, 8 * 2**30)] == [
        "",
        "310 MB",
        "8.0 GB",
    ]
