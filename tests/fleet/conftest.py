"""Several machines with one home, a real Slurm and real ssh servers, for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import machines as fleet
from tests.support.batch import SLURM_PROGRAMS, SSH_PROGRAMS, Slurm, start_ssh


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.fleet)


def _need(*programs: str) -> None:
    reason = fleet.why_not(*programs)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """Return a Slurm of three nodes that have one home; tests leave no job in it."""
    _need(*SLURM_PROGRAMS)
    with fleet.machines(3) as made:
        yield Slurm(made)


@pytest.fixture(scope="session")
def hosts() -> Iterator[fleet.Machines]:
    """Return three machines, each with a home of its own, that the head reaches by ssh."""
    _need(*SSH_PROGRAMS)
    with fleet.machines(3, shared_home=False) as made:
        start_ssh(made)
        yield made
