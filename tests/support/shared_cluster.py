"""Clusters that several tests share: this process' own manager's, and those of other profiles."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Not before `tests/conftest.py`, which imports this file, has made the tests' home.
    from parallelflow.engine_manager import EngineManager

ENGINES = 2


def manager_with_engines() -> Any:
    """Return the manager of this process with two engines, started if they are not there.

    A test before may have killed some, or have stopped them all.
    """
    from parallelflow.engine_manager import get_manager

    manager = get_manager()
    manager.configure(engines=ENGINES, private=True)
    client = manager.ensure_engines()
    missing = ENGINES - len(client.ids) if client is not None else 0
    if missing > 0:
        manager.start_engines(missing)
    return manager


@contextlib.contextmanager
def cluster_of(profile: str, engines: int = ENGINES) -> Iterator[EngineManager]:
    """Start engines on a profile and yield their manager; it stops them at the end."""
    from parallelflow.engine_manager import EngineManager

    manager = EngineManager(profile)
    manager.start_engines(engines)
    try:
        yield manager
    finally:
        manager.stop()
