"""Engines that may be killed: of a fake client, in milliseconds, or of a real cluster."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.work import cluster_watch, element_source
from tests.support.clusters import Cluster, FakeCluster, RealCluster
from tests.support.fake_client import EngineServer, FakeClient

ENGINES = 2
# How long a run on a fake client waits for engines after the last one: none come by themselves.
FAKE_REPLACEMENT_SECONDS = 0.3


@pytest.fixture
def unhurried_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as many elements as are asked for, however long a busy machine takes for them."""
    monkeypatch.setattr(element_source, "READ_SECONDS", math.inf)


@pytest.fixture(scope="session")
def server() -> Iterator[EngineServer]:
    """Start the process that the fake client's engines are forked from."""
    server = EngineServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def manager() -> Iterator[EngineManager]:
    """Start two engines for the tests of this folder; `cluster` starts again what is killed."""
    manager = EngineManager(profile="work")
    manager.configure(engines=ENGINES)
    manager.ensure_engines()
    yield manager
    manager.stop()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Return two engines of a fake client; of a real one where a test is marked so."""
    if getattr(request, "param", "fake") == "fake":
        monkeypatch.setattr(cluster_watch, "REPLACEMENT_SECONDS", FAKE_REPLACEMENT_SECONDS)
        fake = FakeClient(request.getfixturevalue("server"), ENGINES)
        yield FakeCluster(fake)
        fake.close()
        return
    manager = request.getfixturevalue("manager")
    client = manager.connect()
    assert client is not None
    if len(client.ids) < ENGINES:  # what a test before has killed is started again
        manager.start_engines(ENGINES - len(client.ids))
    yield RealCluster(manager, client)


@pytest.fixture
def client(cluster: Cluster) -> Any:
    """Return the client of `cluster`."""
    return cluster.client
