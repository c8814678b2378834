"""Failed elements that a run goes on without: one line tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parallelflow.engine.remote_failure import short
from parallelflow.errors import ElementFailure
from parallelflow.progress import Progress

__all__ = ["told_as_left_out"]


def told_as_left_out(
    progress: Progress, failures: Mapping[int, ElementFailure], value: Any
) -> None:
    """Tell which elements of a run have failed and have another value, if any.

    Parameters
    ----------
    progress : Progress
        The run's.
    failures : mapping of int to ElementFailure
        By index.
    value : object
        What stands in their place.
    """
    if not failures:
        return
    progress.left_out = True
    first = failures[min(failures)]
    n = len(failures)
    others = f", and {n - 1} more" if n > 1 else ""
    cause = " ".join(str(first).split())
    progress.warn(
        f"{progress.label} goes on without {n} of {first.total} elements, which have the value "
        f"{short(value)}: {cause}{others}"
    )
