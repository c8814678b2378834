"""What the command says after a run: results, the summary, and what has failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from parallelflow.engine.workflow_results import UNCAUGHT, named, outputs
from parallelflow.errors import ElementError
from parallelflow.progress import Snapshot
from parallelflow.wording import count

__all__ = ["failure", "is_unexpected", "results", "summary", "suspension", "traces"]

# A result on the screen is for reading; 2000 characters are 25 lines of 80.
RESULT_CHARACTERS = 2000

# How the traceback of an exception ends that a module meant to raise.
_ON_PURPOSE = "vistrails_module.ModuleError"

# Less work than this in a second of wall time is less than this process would have done.
WORTHWHILE = 0.95


def results(pipeline: Any, objects: Mapping[int, Any], whole: bool = True) -> Iterator[str]:
    """Yield a line per value that comes out at the end of the workflow.

    These are the output ports of the modules that nothing is connected to.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow that was run.
    objects : mapping
        Module object by module id, as VisTrails' interpreter returns them.
    whole : bool
        Whether values are given whole, however long they are; else for reading on a screen.

    Yields
    ------
    str
        Such as ``Map.Result = [1, 4, 9]``, in the order of the modules' ids.
    """
    for name, value in outputs(pipeline, objects):
        yield f"{name} = {_shown(value, whole)}"


def _shown(value: object, whole: bool) -> str:
    try:
        text = repr(value)
    except Exception as e:
        return f"<{type(value).__name__} that cannot be shown: {e}>"
    if len(text) > RESULT_CHARACTERS and not whole:
        return f"{text[:RESULT_CHARACTERS]}... ({len(text)} characters in all)"
    return text


def summary(
    snapshots: list[Snapshot],
    seconds: float,
    serial_maps: int,
    start_seconds: float | None = None,
    unit: str = "element",
) -> str:
    """Say in one line what was run, how long it took, and how much work it was.

    Parameters
    ----------
    snapshots : list of Snapshot
        The last one of every Map that was run in parallel.
    seconds : float
        How long the whole command took.
    serial_maps : int
        Number of Maps of Control Flow that were run one element after the other.
    start_seconds : float, optional
        How long the start of engines took; None if none were started.
    unit : str
        What was counted, in the singular.

    Returns
    -------
    str
        Such as ``28 elements, 2 engines: 10.4 s for 20.1 s of work (1.9 x). In all 13.2 s,
        engines started in 2.0 s.`` The work is the sum of the elements' own times on engines
        that were busy side by side: what one engine would have needed.
    """
    elements = sum(s.total for s in snapshots)
    if not elements:
        hint = " (--parallel-maps runs its Map modules in parallel)" if serial_maps else ""
        return f"done in {seconds:.1f} s; nothing was run in parallel{hint}"
    work = sum(s.element_seconds for s in snapshots)
    wall = sum(s.wall_seconds for s in snapshots)
    engines = max(s.engines for s in snapshots)
    ratio = work / max(wall, 1e-9)
    short = "" if ratio >= WORTHWHILE else f"; {unit}s so short gain nothing on engines"
    started = "" if start_seconds is None else f", engines started in {start_seconds:.1f} s"
    return (
        f"{count(elements, unit)}, {count(engines, 'engine')}: "
        f"{wall:.1f} s for {work:.1f} s of work ({ratio:.1f} x{short}). "
        f"In all {seconds:.1f} s{started}."
    )


def traces(errors: Mapping[int, Any]) -> Iterator[str]:
    """Yield the tracebacks of what has failed by itself, not those of ``fail('...')``.

    Parameters
    ----------
    errors : mapping
        VisTrails' ModuleError by module id.

    Yields
    ------
    str
        Many lines each, from the engine where an element of a Map has failed.
    """
    for _, error in sorted(errors.items()):
        element = getattr(error, "element", None) or getattr(error, "branch", None)
        trace = str((element.traceback if element is not None else error.errorTrace) or "")
        if is_unexpected(trace):
            yield "\n".join(trace.strip().splitlines())


def is_unexpected(trace: str) -> bool:
    """Return True if a traceback is that of an exception that no module meant to raise."""
    lines = trace.strip().splitlines()
    return bool(lines) and _ON_PURPOSE not in _raised(lines)


def _raised(lines: list[str]) -> str:
    """Return the line of a traceback that names the exception; its text may go on below."""
    raised = ""
    for line in lines:
        if line.startswith("Traceback "):
            raised = ""
        elif not raised and not line.startswith(" "):
            raised = line
    return raised


def failure(pipeline: Any, errors: Mapping[int, Any]) -> Iterator[str]:
    """Yield the lines that say which module and element failed, and why.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow that was run.
    errors : mapping
        VisTrails' ModuleError by module id.
    """
    for number, error in sorted(errors.items()):
        message = str(error.msg).strip().replace(UNCAUGHT, "")
        yield f"{named(pipeline.modules.get(number), number)} failed: {message}"
        element = getattr(error, "element", None)
        if element is not None:
            yield f"  element  {element.place} of {element.total} (the first is 0)"
            yield f"  input    {element.input}"
        place = element or getattr(error, "branch", None)
        if place is not None and place.engine is not None:
            on = f" on {place.host}" if place.host else ""
            yield f"  engine   {place.engine}{on}"
        if element is not None and element.stage != "run":
            yield f"  {ElementError([element]).more}"


def suspension(pipeline: Any, suspended: Mapping[int, Any]) -> Iterator[str]:
    """Yield a line per module that waits for a job that has not ended yet."""
    for number, error in sorted(suspended.items()):
        yield f"{named(pipeline.modules.get(number), number)} waits for a job: {error.msg}"
    yield "run the workflow again when the jobs have ended"
