"""A process that is an engine, without a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.fake_client import EngineServer, FakeClient

# A guard against a hang; what is called takes milliseconds.
ANSWER_SECONDS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[EngineServer]:
    """Start the process that engines are forked from."""
    server = EngineServer()
    yield server
    server.stop()


@pytest.fixture
def on_engine(server: EngineServer) -> Iterator[Callable[..., Any]]:
    """Return what calls a function in a new engine's process, and returns its value."""
    client = FakeClient(server, 1)

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        return client.direct_view(0).apply_async(function, *arguments).get(ANSWER_SECONDS)

    yield call
    client.close()
