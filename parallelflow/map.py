"""The Map module for packages that derive from it (``vistrails.packages.parallelflow.map``)."""

from __future__ import annotations

from parallelflow.loops.map import Map

__all__ = ["Map"]
