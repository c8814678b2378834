"""The runs of the past: a line for each in a file of the user's, the latest ones."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from parallelflow.progress import Progress, RunState, Snapshot
from parallelflow.system import safe_files

__all__ = ["LAST_SECONDS", "PastRun", "history_file", "past_run", "past_runs", "remember_runs"]

#: Runs that are kept, and the largest file that is read: a line has some hundred bytes.
MOST_RUNS = 500
MAX_BYTES = 4 * 2**20
#: No run begins or ends later: February 2106, in seconds since the epoch.
LAST_SECONDS = 2.0**32
#: No other number is as large, such as bytes.
LARGEST = 2.0**63
#: What a value of a line may be, by the type of its field.
TEXT = (str,)
KINDS = {"str": TEXT, "int": (int,), "float": (int, float)}


@dataclass(frozen=True)
class PastRun:
    """A run that is over.

    Attributes
    ----------
    began : float
        When, seconds since the epoch.
    workflow : str
        The workflow's file and version; empty if it was no workflow's.
    label : str
        What the user calls the run.
    state : str
        How it ended.
    total, done, failed, known : int
        Elements: all, finished well, failed, and known from an earlier execution.
    seconds : float
        How long it took.
    work : float
        The sum of the elements' times, seconds.
    engines : int
        Engines that took part.
    first_error : str
        The error of the first element that failed; empty if none did.
    number : int
        The number of a run that goes on without a terminal; 0 for all others.
    memory : int
        The most memory that an engine's process had, bytes; 0 if that is not known.
    """

    began: float
    workflow: str
    label: str
    state: str
    total: int = 0
    done: int = 0
    failed: int = 0
    known: int = 0
    seconds: float = 0.0
    work: float = 0.0
    engines: int = 0
    first_error: str = ""
    number: int = 0
    memory: int = 0


def history_file() -> Path:
    """Return where the runs are kept."""
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "parallelflow" / "runs.jsonl"


def past_runs() -> list[PastRun]:
    """Return the runs that are kept, the oldest first; lines that cannot be read are left out."""
    try:
        text = safe_files.read_text(history_file(), MAX_BYTES)
    except (OSError, safe_files.UnusableFile):
        return []
    found = []
    for line in text.splitlines():
        with contextlib.suppress(RecursionError, TypeError, ValueError):
            run = PastRun(**json.loads(line))
            if _is_whole(run):
                found.append(run)
    return found


def _is_whole(run: PastRun) -> bool:
    """Return True if what a line says is what such a line may say."""
    values = [(getattr(run, each.name), KINDS[str(each.type)]) for each in fields(run)]
    return (
        all(type(value) in kinds for value, kinds in values)
        and all(0 <= value < LARGEST for value, kinds in values if kinds != TEXT)
        and run.began < LAST_SECONDS
        and run.seconds < LAST_SECONDS
    )


def remember_runs(runs: list[Progress], workflow: str = "", number: int = 0) -> bool:
    """Add runs to those that are kept; return whether that could be done.

    Parameters
    ----------
    runs : list of Progress
        Runs that are over.
    workflow : str
        The workflow's file and version.
    number : int
        The number of the run without a terminal that they belong to, 0 if to none.
    """
    if not runs:
        return True
    path = history_file()
    kept = [*past_runs(), *(_past(run, workflow, number) for run in runs)][-MOST_RUNS:]
    try:
        safe_files.make_folder(path.parent)
        safe_files.replace_text(path, "".join(f"{json.dumps(asdict(run))}\n" for run in kept))
    except (OSError, safe_files.UnusableFile):
        return False  # nobody waits for it
    return True


def _past(run: Progress, workflow: str, number: int) -> PastRun:
    snapshot = run.snapshot()
    failures: Any = run.trace.failures
    first = str(failures[min(failures)])[:500] if failures else ""
    # The column of the failed ones tells them.
    state = RunState.DONE if run.left_out else snapshot.state
    line = past_run(snapshot, run.trace.began, workflow, state.value, number)
    return replace(line, first_error=first, memory=run.trace.highest_memory())


def past_run(
    snapshot: Snapshot, began: float, workflow: str, state: str, number: int = 0
) -> PastRun:
    """Return what is kept of a run.

    Parameters
    ----------
    snapshot : Snapshot
        What is known of it.
    began : float
        When, seconds since the epoch.
    workflow, state, number
        As `PastRun` has them.
    """
    return PastRun(
        began=began,
        workflow=workflow,
        label=snapshot.label,
        state=state,
        total=snapshot.total,
        done=snapshot.done,
        failed=snapshot.failed,
        known=snapshot.known,
        seconds=round(snapshot.wall_seconds, 3),
        work=round(snapshot.element_seconds, 3),
        engines=snapshot.engines,
        number=number,
    )
