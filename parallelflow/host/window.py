"""VisTrails with its window."""

from __future__ import annotations


def run_window(argv: list[str]) -> int:
    """Open VisTrails' window."""
    raise NotImplementedError
