"""A cluster whose engines may be killed: a manager of its own, topped up before each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parallelflow.engine_manager import EngineManager

ENGINES = 2


@pytest.fixture(scope="module")
def manager() -> Iterator[EngineManager]:
    """Start two engines of a profile of this module's own; stop them at its end."""
    manager = EngineManager(profile="work")
    manager.configure(engines=ENGINES)
    manager.ensure_engines()
    yield manager
    manager.stop()


@pytest.fixture
def client(manager: EngineManager) -> Any:
    """Return a client with two engines; what a test before has killed is started again."""
    client = manager.connect()
    assert client is not None
    if len(client.ids) < ENGINES:
        manager.start_engines(ENGINES - len(client.ids))
    return client
