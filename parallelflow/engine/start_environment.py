"""Environment variables that a process of ours needs at its start only.

They are for the process itself: a program that an element starts would find its own modules in
other places. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable

__all__ = ["remember", "restore"]

VARIABLE = "PARALLELFLOW_BEFORE_START"


def remember(names: Iterable[str]) -> dict[str, str]:
    """Return the variable by which a new process knows what its session has for some others.

    Parameters
    ----------
    names : iterable of str
        Variables that are set to something else for the start.
    """
    return {VARIABLE: json.dumps({name: os.environ.get(name) for name in names})}


def restore() -> None:
    """Give this process the variables that its session has; nothing if that was done before."""
    with contextlib.suppress(ValueError, AttributeError):
        for name, value in json.loads(os.environ.pop(VARIABLE, "{}")).items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
