"""How far a start has come, brought up to date and reported as it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from .model import EngineStart, Stage, StartSnapshot

__all__ = ["StartProgress", "ignore_progress", "new_engines"]


def ignore_progress(snapshot: StartSnapshot) -> None:
    """Ignore progress."""


def new_engines(n: int) -> tuple[EngineStart, ...]:
    """Return n engines of which none has been started."""
    return tuple(EngineStart(number) for number in range(1, n + 1))


class StartProgress:
    """The changing progress of one start.

    Parameters
    ----------
    snapshot : StartSnapshot
        How the start begins.
    listener : callable
        Called with a `StartSnapshot` by `report`.

    Attributes
    ----------
    snapshot : StartSnapshot
        How far the start has come.
    """

    def __init__(self, snapshot: StartSnapshot, listener: Callable[[StartSnapshot], None]) -> None:
        self.snapshot = snapshot
        self._listener = listener
        self._begun = False
        self._reported: StartSnapshot | None = None

    def begin(self) -> None:
        """Report how the start begins; nothing is reported before."""
        self._begun = True
        self.report()

    def set_number(self, n: int) -> None:
        """Change the number of engines, before one is started."""
        self.snapshot = dataclasses.replace(self.snapshot, engines=new_engines(n))

    def set_controller(self, stage: Stage | None) -> None:
        """Change how far the controller has come, and report it; None if one runs already."""
        self.snapshot = dataclasses.replace(self.snapshot, controller=stage)
        if stage is not None:
            self.report()

    def set_engine(self, position: int, stage: Stage, **fields: Any) -> None:
        """Change how far an engine has come, by its position in the snapshot."""
        engines = list(self.snapshot.engines)
        engines[position] = dataclasses.replace(engines[position], stage=stage, **fields)
        self.snapshot = dataclasses.replace(self.snapshot, engines=tuple(engines))

    def set_jobs(self, lines: tuple[str, ...]) -> None:
        """Change what is told of the start's batch jobs, and report it."""
        self.snapshot = dataclasses.replace(self.snapshot, jobs=lines)
        self.report()

    def slot_for(self, engine: int, pid: int) -> int | None:
        """Return the position of an engine that has registered: by its pid where that is known.

        None if it is none of this start.
        """
        for wanted in ((engine, pid), (None, pid), (None, None)):
            for position, known in enumerate(self.snapshot.engines):
                if (known.engine, known.pid) == wanted:
                    return position
        return None

    def report(self) -> None:
        """Call the listener if anything has changed since the start began."""
        if self._begun and self.snapshot != self._reported:
            self._reported = self.snapshot
            self._listener(self.snapshot)
