"""Clusters for tests of `parallelflow.work`: a fake client's, or a manager's real one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from parallelflow.data import shared_values
from parallelflow.engine_manager import EngineManager
from parallelflow.work.run import Run

from .fake_client import FakeClient


def send_as_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs of this process put nothing into shared memory."""
    monkeypatch.setattr(shared_values.SharedFolder, "create", classmethod(lambda *_: None))
    monkeypatch.setattr(shared_values, "_folder", None)


class Cluster(Protocol):
    """A client, and what starts and ends its engines."""

    client: Any

    def start_engines(self, count: int) -> object:
        """Start engines and wait until they are there."""


class FakeCluster:
    """A fake client's engines."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.start_engines = client.start_engines


class RealCluster:
    """The engines of a manager."""

    def __init__(self, manager: EngineManager, client: Any) -> None:
        self.client = client
        self.start_engines = manager.start_engines


# A guard against a hang: an engine on a busy machine answers within a second.
ANSWER_SECONDS = 30
# The same for a run, for which engines may have to be started.
RUN_SECONDS = 180

on_both = pytest.mark.parametrize("cluster", ["fake", "real"], indirect=True)
"""Runs a test with a fake client and with a real one: what ipyparallel does is part of it."""

on_real = pytest.mark.parametrize("cluster", ["real"], indirect=True)
"""Runs a test with a real client only."""


def engine_pids(client: Any) -> dict[int, int]:
    """Return the engines' processes by the engines' ids; each of them has to answer."""
    answers = {e: client.direct_view(e).apply_async(os.getpid) for e in client.ids}
    return {engine: answer.get(timeout=ANSWER_SECONDS) for engine, answer in answers.items()}


def drive(run: Run, each: Callable[[], object] = lambda: None) -> Run:
    """Poll a run to its end, with a call after each poll; fail if it hangs."""

    deadline = time.monotonic() + RUN_SECONDS
    try:
        while not run.is_finished:
            run.poll(0.05)
            each()
            assert time.monotonic() < deadline, "the run hangs"
    except BaseException:
        run.cancel()
        raise
    return run
