"""A cluster of two engines for the tests of the api, and this process without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parallelflow import api
from parallelflow.engine_manager import get_manager


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Have a manager with two engines; stop it at the end."""
    manager = get_manager()
    manager.configure(engines=2, private=True)
    manager.ensure_engines()
    yield manager
    manager.stop()


@pytest.fixture(params=["here", "cluster"])
def where(request: pytest.FixtureRequest, monkeypatch: Any) -> str:
    """Run a test in this process and on a cluster."""
    if request.param == "cluster":
        request.getfixturevalue("cluster")
    else:
        monkeypatch.setattr(api, "get_client", lambda ask=True: None)
    return str(request.param)
