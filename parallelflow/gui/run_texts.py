"""What the panel Runs tells of a run as text: its numbers, results and events."""

from __future__ import annotations

from parallelflow.engine.remote_failure import short
from parallelflow.progress import Progress
from parallelflow.runs.figures import figures
from parallelflow.runs.table import ElementState, RunTable
from parallelflow.wording import count

__all__ = ["events_of", "numbers_of", "results_of", "without_middle"]

#: Lines of results; nobody reads more of them, and Qt takes its time for many.
MOST_RESULTS = 1000
#: Of the line beside the buttons; with more, the panel would be too high for a small screen.
MOST_CHARACTERS = 160


def numbers_of(run: Progress) -> str:
    """Return what a run's timeline comes to, in one line; empty before anything has come back."""
    numbers = figures(run, ())
    if not numbers.engines:
        return ""
    idle = sum(use.idle for use in numbers.engines) / len(numbers.engines)
    return (
        f"{count(len(numbers.engines), 'engine')}, idle {idle:.0%} of the time; {numbers.work:.1f} "
        f"s of work in {numbers.wall:.1f} s: {numbers.speed_up:.1f} times as fast so far."
    )


def without_middle(text: str) -> str:
    """Return a text as it is, or begin and end of a long one: a path may have 4 000 characters."""
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]} ... {text[-half:]}"


def events_of(run: Progress | None) -> str:
    """Return what happened to a run's engines, line by line."""
    began = run.trace.began if run is not None else 0.0
    lines = run.trace.events if run is not None else ()
    text = "\n".join(f"{moment - began:8.1f} s  {line}" for moment, line in lines)
    return text or "Nothing has happened to engines."


def results_of(table: RunTable | None) -> str:
    """Return what a run's elements have given so far, a line for each, shortened."""
    if table is None:
        return "No run yet."
    value_of = table.progress.trace.value_of
    if value_of is None:
        return "The results of this run are not kept any more: there were others since."
    lines, width = [], len(str(len(table)))
    with_value = (ElementState.DONE, ElementState.KNOWN, ElementState.SESSION)
    for index in range(min(len(table), MOST_RESULTS)):
        state = table.row(index).state
        try:
            text = short(value_of(index)) if state in with_value else f"({state.value})"
        except LookupError:  # the list is shorter than was asked for
            break
        lines.append(f"{index:>{width}}  {text}")
    if len(table) > MOST_RESULTS:
        lines.append(f"\nand {len(table) - MOST_RESULTS} more: see the elements")
    return "\n".join(lines) or "No elements."
