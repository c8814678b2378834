"""What is asked of a start of engines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .model import Stage, StartSnapshot
from .start_progress import ignore_progress

__all__ = ["StartRequest"]


@dataclass(frozen=True)
class StartRequest:
    """What is to be started, and who follows it.

    Attributes
    ----------
    n : int
        How many engines; 0 for a controller alone.
    most : int
        How many the controller is to have room for, if that is more.
    launcher : str or None
        The launcher's short name; None for the profile's own.
    until : Stage
        When the start is done: all have ``REGISTERED``, or VisTrails is ``READY`` on all.
    progress : callable
        Called with a `StartSnapshot` at every change.
    cancel : threading.Event
        Set when the user gives up.
    still_missing : callable, optional
        Given the number of engines, returns how many of them are missing, when no other session
        starts any: called before the start, and once more with the lock of the profile held. All
        are missing if it is not given.
    """

    n: int
    launcher: str | None = None
    until: Stage = Stage.REGISTERED
    progress: Callable[[StartSnapshot], None] = ignore_progress
    cancel: threading.Event = field(default_factory=threading.Event)
    still_missing: Callable[[int], int] | None = None
    most: int = 0
