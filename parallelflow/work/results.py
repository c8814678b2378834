"""What a run has so far: values, failures, what the client has to run, and its progress."""

from __future__ import annotations

from typing import Any

from parallelflow.engine import payload
from parallelflow.engine.remote_failure import RemoteFailure, short
from parallelflow.engine.runner import ChunkResult
from parallelflow.errors import ElementFailure
from parallelflow.progress import Progress

from .worker import Worker

__all__ = ["Results"]


class Results:
    """The results of a run's elements, by index.

    Parameters
    ----------
    label : str
        What the user calls the run.
    total : int
        The number of elements; 0 if it is not known.
    known : dict of int to object
        Values of elements that need not be run.

    Attributes
    ----------
    values : list
        The values; None where there is none.
    failures : dict of int to ElementFailure
        The failed elements.
    deferred : set of int
        Elements that have to be run by the client itself.
    unfinished : set of int
        Elements that have come back without a value, and are tried again.
    progress : Progress
        The numbers of them.
    """

    def __init__(self, label: str, total: int, known: dict[int, Any]) -> None:
        # It grows with the elements that are sent: a range may have more of them than fit.
        self.values: list[Any] = []
        self.failures: dict[int, ElementFailure] = {}
        self.deferred: set[int] = set()
        self.unfinished: set[int] = set()
        self.progress = Progress(label, total, done=len(known))
        self._known = known.keys()
        self.progress.trace.known = set(known)
        self.progress.trace.failures = self.failures
        self._ranges: list[tuple[int, int]] = []
        for index, value in known.items():
            self.make_room(index)
            self.values[index] = value

    @property
    def done(self) -> set[int]:
        """Indices of the elements with a value."""
        done = set(self._known)
        for start, count in self._ranges:
            done.update(range(start, start + count))
        return done - self.failures.keys() - self.deferred - self.unfinished

    @property
    def finished(self) -> int:
        """How many elements have come back, well or not."""
        return self.progress.done + self.progress.failed

    @property
    def unfinished_text(self) -> str:
        """How many elements are left, as errors say it."""
        left = self.progress.total - self.finished
        return f"{left} of {self.progress.total} elements unfinished"

    def make_room(self, index: int) -> None:
        """Make the list of values long enough for an element."""
        self.values.extend([None] * (index + 1 - len(self.values)))
        # The list's length may not be known.
        self.progress.total = max(self.progress.total, len(self.values))

    def keep(self, start: int, result: ChunkResult) -> None:
        """Keep what an engine has returned for the elements from index `start` on."""
        self.values[start : start + result.count] = result.values
        self._ranges.append((start, result.count))
        if self.unfinished:
            self.unfinished.difference_update(range(start, start + result.count))
        self.progress.done += result.count - len(result.failures)
        self.progress.element_seconds += sum(result.seconds)

    def keep_here(self, index: int, value: Any, failure: ElementFailure | None) -> None:
        """Keep what was evaluated in this process: an element's value, or why it has failed."""
        if failure is None:
            self.values[index] = value
            self._ranges.append((index, 1))
            self.progress.done += 1
        else:
            self.failures[index] = failure
            self.progress.failed += 1

    def fail(self, index: int, element: Any, failure: RemoteFailure, worker: Worker | None) -> None:
        """Keep why an element has failed, and on which engine if it got so far."""
        self.make_room(index)
        self.failures[index] = ElementFailure(
            index=index,
            total=self.progress.total,
            input=_shown(element),
            stage=failure.stage,
            error_type=failure.error_type,
            message=failure.message,
            traceback=failure.trace,
            engine=worker.id if worker else None,
            host=worker.host if worker else None,
            detail=failure.detail,
            exception=failure.exception,
            path=self.progress.trace.path_of(index),
        )
        self.progress.failed += 1


def _shown(element: Any) -> str:
    """Return an element as an error shows it; safe also if it cannot be read."""
    if not isinstance(element, payload.Pickled):
        return short(element)
    try:
        return short(element.value)
    except BaseException as e:
        return f"<an element that cannot be unpickled: {type(e).__name__}>"
