"""VisTrails runs in this process for all tests of the other loops; see `tests.map.conftest`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parallelflow import settings
from tests.map.conftest import cluster

__all__ = ["cluster"]


@pytest.fixture
def overrides() -> Iterator[Any]:
    """Set settings as the command's options do; they are taken back at the end."""
    yield settings.override
    settings.override(onError=None, elementTimeout=None, retries=None, valueForFailed=None)
