"""Elements that are evaluated in this process, as VisTrails does: those that need the session."""

from __future__ import annotations

from vistrails.core.modules.vistrails_module import ModuleError, ModuleSuspended

from parallelflow.work.results import Results
from parallelflow.work.run import Run

from .failures import failure_in_session, is_stop
from .loop import Loop
from .replay import Replay

__all__ = ["SessionElements"]


class SessionElements:
    """Evaluates elements of a loop here.

    Parameters
    ----------
    loop : Loop
        The loop.
    replay : Replay or None
        What follows the values.

    Attributes
    ----------
    done : set of int
        The elements that have run well here.
    """

    def __init__(self, loop: Loop, replay: Replay | None) -> None:
        self._loop = loop
        self._replay = replay
        self._suspended: dict[int, ModuleSuspended] = {}
        self.done: set[int] = set()

    @property
    def waits(self) -> bool:
        """Whether an element waits for a job."""
        return bool(self._suspended)

    def evaluate(self, outcome: Run | Results, index: int) -> bool:
        """Evaluate an element; return False if it has failed.

        Its value, or its failure, is added to the outcome.
        """
        loop = self._loop
        missing = index + 1 - len(outcome.values)
        outcome.values.extend([None] * missing)
        try:
            outcome.values[index] = loop.evaluate_in_session(loop, index)
        except ModuleSuspended as e:
            self._suspended[index] = e
            self._follow(outcome, index, skip=True)
        except ModuleError as e:
            if is_stop(e):
                raise
            outcome.failures[index] = failure_in_session(loop, index, e)
            outcome.progress.failed += 1
            return False
        else:
            self.done.add(index)
            outcome.progress.done += 1
            self._follow(outcome, index)
        return True

    def _follow(self, outcome: Run | Results, index: int, skip: bool = False) -> None:
        if self._replay is not None:
            self._replay.close(index, skip)
            self._replay.advance(outcome.values)

    def raise_if_suspended(self) -> None:
        """Raise on the looping module if elements wait for their jobs."""
        if not self._suspended:
            return
        if self._loop.suspended is not None:
            raise self._loop.suspended(self._suspended)
        total = len(self._loop.elements)
        raise ModuleSuspended(
            self._loop.module,
            f"function module suspended in {len(self._suspended)}/{total} iterations",
            children=list(self._suspended.values()),
        )
