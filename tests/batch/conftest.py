"""VisTrails runs in this process for all tests of whole workflows; see `tests.map.conftest`."""

from __future__ import annotations

from tests.map.conftest import cluster

__all__ = ["cluster"]
