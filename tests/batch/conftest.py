"""One VisTrails core and one two-engine cluster for all tests of whole workflows on engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def core() -> Any:
    """Start VisTrails' headless core."""
    from parallelflow import host

    return host.start_core()


@pytest.fixture(scope="session")
def cluster(core: Any) -> Iterator[Any]:
    """Have the session's manager with two engines; stop what it started at the end."""
    from parallelflow.engine_manager import get_manager

    manager = get_manager()
    manager.configure(engines=2, private=True)
    manager.ensure_engines()
    yield manager
    manager.stop()
