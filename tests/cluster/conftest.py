"""Clusters for the tests of the engine manager, each on a profile of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from parallelflow.engine_manager import EngineManager
from tests.support.shared_cluster import cluster_of

_numbers = itertools.count(1)


@pytest.fixture
def profile() -> str:
    """Return the name of a profile that no other test uses; its folder is not there yet.

    Also none that runs beside this one in another process: what runs is looked up by it.
    """
    return f"test{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def new_manager(profile: str) -> Iterator[Callable[..., EngineManager]]:
    """Return a maker of managers, as of several sessions; what they start is stopped."""
    made: list[EngineManager] = []

    def make(name: str = profile) -> EngineManager:
        made.append(EngineManager(name))
        return made[-1]

    yield make
    for manager in made:
        manager.cleanup()


@pytest.fixture
def manager(new_manager: Callable[..., EngineManager]) -> EngineManager:
    """Return a manager without a cluster."""
    return new_manager()


@pytest.fixture(scope="session")
def shared() -> Iterator[EngineManager]:
    """Return a manager with two engines that many tests use; they must leave it as it was."""
    with cluster_of("shared") as manager:
        yield manager
