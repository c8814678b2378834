"""ipyparallel, loaded with one look at what is installed."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Any

__all__ = ["load_ipyparallel"]


def load_ipyparallel() -> None:
    """Load ipyparallel, before anything imports a part of it.

    As it is imported, ipyparallel 9.2 looks four times for the launchers that are installed, for
    the help of its options. Each time Python reads a file of every distribution: together a tenth
    of what ipyparallel computes until it is loaded.
    """
    if "ipyparallel" in sys.modules:
        return
    plain, found, is_loading = metadata.entry_points, None, True

    def entry_points(**parameters: Any) -> Any:
        # What is imported meanwhile may keep this function.
        nonlocal found
        if not is_loading:
            return plain(**parameters)
        if found is None:
            found = plain()
        return found.select(**parameters)

    metadata.entry_points = entry_points
    try:
        import ipyparallel  # noqa: F401
    finally:
        is_loading = False
        metadata.entry_points = plain
