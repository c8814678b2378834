"""Whether an engine of a batch job that has left is at fault, by what the batch system says."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parallelflow.engine_manager.connection.engine_metadata import EngineMetadata
from parallelflow.engine_manager.losses import MISSES, TOGETHER_SECONDS, LossInquiry
from parallelflow.engine_manager.system.records import SessionRecord
from tests.support.waiting import wait_until

ENGINE = 3
FACTS = EngineMetadata("node1", "Linux", 99, "3.11.2", "9.2.0", "0.2", "3.0", "", job="slurm:17")


def inquiry(
    folder: Path, was_there_for: float = 60.0, facts: EngineMetadata | None = FACTS
) -> LossInquiry:
    """Return the inquiry of a cluster whose only engine has left some seconds ago."""
    left = time.monotonic() - TOGETHER_SECONDS
    connection = SimpleNamespace(
        retired=set(),
        meet=lambda: None,
        gone_processes={},
        facts={},
        gone={ENGINE: facts},
        gone_since={ENGINE: left},
        joined={ENGINE: left - was_there_for},
        identities={ENGINE: "engine-1"},
        file=SimpleNamespace(cluster_id=""),
    )
    cluster: Any = SimpleNamespace(folder=folder, live_connection=lambda: connection)
    return LossInquiry(cluster)


@pytest.mark.parametrize(
    ("told", "has_crashed", "why"),
    [
        # It began 100 s ago, and the engine joined 63 s ago: the same run of the job.
        ("17|RUNNING|None|58:20|1:40", True, ""),
        # It began 2 s ago: it was requeued, and the engine's run has ended before.
        ("17|RUNNING|None|59:58|0:02", False, "job 17 (slurm) has been run again"),
        ("17|PENDING|BeginTime|1:00:00|0:00", False, "job 17 (slurm) queued: BeginTime"),
        ("17|FAILED|NonZeroExitCode|59:00|1:00", True, ""),
        # How long it has run is not told: the engine's own end is the only one that is known.
        ("17|RUNNING|None", True, ""),
    ],
)
def test_an_engine_is_at_fault_if_its_run_of_the_job_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, has_crashed: bool, why: str
) -> None:
    # A stand-in that prints what the real one does.
    (tmp_path / "squeue").write_text(f"#!/bin/sh\necho '{told}'\n")
    (tmp_path / "squeue").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    losses = inquiry(tmp_path)
    found: list[bool | None] = []

    def is_known() -> bool:
        found.append(losses.has_crashed(ENGINE))
        return found[-1] is not None

    wait_until(is_known)
    assert found[-1] is has_crashed and losses.why(ENGINE) == why


@pytest.mark.parametrize(("missed", "has_crashed"), [(MISSES, False), (1, True)])
def test_an_engine_that_had_told_nothing_of_itself_may_have_fallen_silent(
    tmp_path: Path, missed: int, has_crashed: bool
) -> None:
    for name in ("log", "pid"):
        (tmp_path / name).mkdir()
    record = SessionRecord.of_this_session(tmp_path)
    record.files = ["log/ipcontroller-1.log"]
    record.announce()
    log = f"heartbeat::missed b'engine-1' : {missed}\n"
    (tmp_path / "log" / "ipcontroller-1.log").write_text(log)
    assert inquiry(tmp_path, facts=None).has_crashed(ENGINE) is has_crashed


def test_a_new_engine_is_asked_for_what_it_is_before_it_gets_work(tmp_path: Path) -> None:
    asked: list[int] = []
    connection = SimpleNamespace(
        joined={}, meet=lambda: asked.append(ENGINE), facts={}, identities={}
    )
    cluster: Any = SimpleNamespace(folder=tmp_path, live_connection=lambda: connection)
    # The first thing that a run wants to know of an engine that it has not seen.
    assert LossInquiry(cluster).is_taken_away(ENGINE) is False
    assert asked == [ENGINE]
