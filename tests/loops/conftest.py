"""One VisTrails core and one two-engine cluster for all tests of the loops but Map's own."""

from __future__ import annotations

from tests.map.conftest import cluster, core

__all__ = ["cluster", "core"]
