"""The two engines of this process' own manager, which the tests of several folders share."""

from __future__ import annotations

from typing import Any

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
