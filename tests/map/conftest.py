"""VisTrails runs in this process for all tests of Map, beside the shared cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.shared_cluster import manager_with_engines


@pytest.fixture(scope="module")
def cluster(core: Any, shared_engines: None) -> Any:
    """Return the manager with two engines, and VisTrails started."""
    return manager_with_engines()
