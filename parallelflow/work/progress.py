"""The snapshots of a run's progress under the name that version 0.2 documented."""

from __future__ import annotations

from parallelflow.progress import RunState, Snapshot

__all__ = ["RunState", "Snapshot"]
