"""Memory: measured for each element, its lack told and kept from what runs beside it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine import runner
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine.runner import ChunkResult
from parallelflow.runs.table import RunTable
from parallelflow.system.memory import shown_bytes
from parallelflow.work import memory_watch
from parallelflow.work.chunks import Chunk
from parallelflow.work.losses import Loss, judge_loss
from parallelflow.work.outcomes import (
    Fail,
    HoldBack,
    Interrupter,
    Keep,
    Quarantine,
    Requeue,
    judge_result,
)
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from tests.support.clusters import Cluster, drive

ROOT = Path(__file__).resolve().parents[2]
GROUPS = Path("/sys/fs/cgroup")
MEGABYTE = 2**20
# Engines of the tests have some 60 MB each; one of these elements ends its own.
LIMIT = 500 * MEGABYTE
TO_THE_END = ElementPolicy(stop_on_error=False)

linux = pytest.mark.skipif(sys.platform != "linux", reason="the system tells no peak")


def use(megabytes: int) -> int:
    """Have so much memory for a moment."""
    block = b"x" * (megabytes * MEGABYTE)
    time.sleep(0.02)
    return len(block) // MEGABYTE


@linux
def test_each_element_has_its_peak(cluster: Cluster) -> None:
    run = drive(Run(cluster.client, plain_function, (use,), [1, 150, 1, 80], "test"))
    table = RunTable(run.progress)
    table.refresh()
    memory = [table.row(index).memory for index in range(4)]
    small = min(filter(None, memory))
    assert all(memory) and memory[1] - small > 120 * MEGABYTE, memory  # type: ignore[operator]
    assert 50 * MEGABYTE < memory[3] - small < 120 * MEGABYTE, memory  # type: ignore[operator]
    assert table.order("memory", descending=True)[:2] == [1, 3]
    assert run.progress.trace.highest_memory() == memory[1]


@linux
def test_short_elements_are_measured_together(cluster: Cluster) -> None:
    run = drive(Run(cluster.client, plain_function, (abs,), range(3000), "test"))
    chunks = run.progress.trace.chunks
    assert all(sum(count for count, _ in chunk.peaks) == chunk.count for chunk in chunks)
    assert all(peak > 0 for chunk in chunks for _, peak in chunk.peaks)
    assert sum(len(chunk.peaks) for chunk in chunks) < 300


def limited(megabytes: int) -> None:
    """Take so much memory under a limit (ulimit -v)."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (size + 50 * MEGABYTE, hard))
    use(megabytes)


@linux
def test_a_memory_error_tells_how_much_there_was(cluster: Cluster) -> None:
    run = Run(cluster.client, plain_function, (limited,), [500], "test", policy=TO_THE_END)
    failure = drive(run).failures[0]
    assert (failure.stage, failure.error_type) == ("run", "MemoryError")
    assert "the element's process had " in failure.message and "(ulimit -v)" in failure.message


# -- nothing begins where memory runs low ------------------------------------------------------


def note_times(folder: str) -> Any:
    """Return a function that notes when it began and ended."""

    def element(number: int) -> int:
        began = time.monotonic()
        time.sleep(0.02)
        (Path(folder) / str(number)).write_text(f"{began} {time.monotonic()}")
        return number

    return lambda index, number: (element(number), None)


def on_a_machine_that_runs_low(folder: str) -> Any:
    """Make the same on an engine that finds its memory short."""
    runner.shortage = lambda: (MEGABYTE, 100 * MEGABYTE)
    return note_times(folder)


def most_at_once(folder: Path) -> int:
    """Return how many elements ran at the same time at the most."""
    spans = [tuple(map(float, path.read_text().split())) for path in folder.iterdir()]
    return max(sum(b <= began < e for b, e in spans) for began, _ in spans)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this session find the memory short."""
    monkeypatch.setattr(memory_watch, "shortage", lambda: (MEGABYTE, 100 * MEGABYTE))


def low_lines(run: Run) -> list[str]:
    return [line for _, line in run.progress.trace.events if line.startswith("Memory runs low")]


def test_elements_go_one_by_one_where_memory_runs_low(
    cluster: Cluster, tmp_path: Path, short: None
) -> None:
    run = drive(Run(cluster.client, note_times, (str(tmp_path),), range(20), "t", chunk_size=1))
    assert run.values == list(range(20)) and most_at_once(tmp_path) == 1
    (line,) = low_lines(run)
    assert "1 MB of 100 MB is free. No further element begins there while others run." in line


def test_engines_tell_that_memory_runs_low_on_their_machine(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of other machines do, of which the session knows nothing."""
    monkeypatch.setattr(memory_watch, "BELIEVE_SECONDS", 60.0)
    maker = on_a_machine_that_runs_low
    run = drive(Run(cluster.client, maker, (str(tmp_path),), range(20), "t", chunk_size=2))
    assert run.values == list(range(20)) and len(low_lines(run)) == 1
    # Until the first of them has told, both have begun.
    late = tmp_path / "late"
    late.mkdir()
    for path in sorted((p for p in tmp_path.iterdir() if p.is_file()), key=_begin)[4:]:
        path.rename(late / path.name)
    assert most_at_once(late) == 1


def _begin(path: Path) -> float:
    return float(path.read_text().split()[0])


def test_what_was_held_back_is_sent_again() -> None:
    low = (1, 100)
    chunk = Chunk(4, ["a", "b"])
    held = ChunkResult(shortage=low)
    assert judge_result(chunk, held, lambda: Interrupter.OTHER) == [HoldBack(low), Requeue(chunk)]
    part = ChunkResult(count=1, values=["A"], seconds=[0.1], shortage=low)
    hold, keep, requeue = judge_result(chunk, part, lambda: Interrupter.OTHER)
    assert hold == HoldBack(low) and isinstance(keep, Keep)
    assert isinstance(requeue, Requeue) and requeue.chunk.start == 5


# -- killed for lack of memory -----------------------------------------------------------------


def test_an_element_is_blamed_once_it_has_run_alone() -> None:
    killed = "killed by the system for lack of memory (there are 8.0 GB)"
    [first] = judge_loss([Chunk(0, ["a"])], 1, Loss.CRASHED, 1.0, killed=killed)
    assert isinstance(first, Quarantine), "others ran beside it"
    first.chunk.alone = True
    [second] = judge_loss([first.chunk], 2, Loss.CRASHED, 2.0, killed=killed)
    assert isinstance(second, Fail)
    assert second.failure.message == f"it ended 2 engines, the last one {killed}"


def test_what_was_killed_before_a_run_is_not_its_engine(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count of killed processes has grown since the run before, not since this one's begin."""
    # As on a quiet machine, where an engine ends as soon as the run has begun.
    monkeypatch.setattr(memory_watch, "NOTICE_SECONDS", 600.0)
    monkeypatch.setattr(memory_watch, "memory_kills", lambda: 5)
    drive(Run(cluster.client, plain_function, (abs,), [-1], "before"))
    monkeypatch.setattr(memory_watch, "memory_kills", lambda: 6)
    run = Run(cluster.client, plain_function, (leave,), [1, 2], "test", policy=TO_THE_END)
    drive(run)
    assert run.values == [10, None]
    assert "lack of memory" not in run.failures[1].message


def leave(number: int) -> int:
    """End the engine, unless it is the first one."""
    if number > 1:
        os._exit(1)
    return 10 * number


@pytest.fixture
def control_group() -> Iterator[Path]:
    """Make a control group with a limit of memory."""
    version_1 = GROUPS / "memory"
    top = version_1 if version_1.is_dir() else GROUPS
    group = top / f"parallelflow-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as e:
        pytest.skip(f"no control group can be made here: {e}")
    try:
        try:
            if top == version_1:
                (group / "memory.limit_in_bytes").write_text(str(LIMIT))
                (group / "memory.swappiness").write_text("0")
            else:
                (group / "memory.max").write_text(str(LIMIT))
                (group / "memory.swap.max").write_text("0")
        except OSError as e:
            pytest.skip(f"no limit of memory can be set here: {e}")
        yield group
    finally:
        for _ in range(100):
            try:
                group.rmdir()
                break
            except OSError:  # a process of it is being removed
                time.sleep(0.1)


def test_an_element_that_takes_all_memory_costs_no_other(control_group: Path) -> None:
    """In a real control group: the system kills its engine, twice; all others have values."""
    begin = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", begin, "sh", control_group, sys.executable, "-m", "tests.work.eat_memory"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    values, message, *events = done.stdout.splitlines()
    assert values == "[0, 1, 2, None, 4, 5, 6, 7, 8, 9]"
    killed = f"killed by the system for lack of memory (there are {shown_bytes(LIMIT)})"
    assert message == f"it ended 2 engines, the last one {killed}"
    assert any(f"was {killed}; its elements run again alone" in line for line in events), events
