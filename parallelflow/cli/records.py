"""What a command keeps of its runs: a report, a table of the elements, the history; and runs."""

from __future__ import annotations

import importlib.metadata
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from parallelflow.engine_manager.model.information import aligned
from parallelflow.errors import printable
from parallelflow.progress import Progress
from parallelflow.runs import history
from parallelflow.runs.detached import all_runs
from parallelflow.runs.report import About, write_report
from parallelflow.runs.trace_file import write_trace
from parallelflow.system.memory import shown_bytes

from . import detached
from .exits import Exit
from .json_output import print_document
from .messages import tell

__all__ = ["keep", "show_runs"]

TITLES = (
    "began", "workflow", "run", "state", "elements", "failed", "time", "engines", "memory",
    "detached",
)  # fmt: skip


def keep(options: Namespace, seconds: float, workflow: str, runs: list[Progress]) -> bool:
    """Write what the options ask for of the command's runs, and remember them.

    Parameters
    ----------
    options : Namespace
        The options of ``run``.
    seconds : float
        How long the workflow took.
    workflow : str
        The file and version, as it was given.
    runs : list of Progress
        The command's runs, the oldest first; empty if none has begun.

    Returns
    -------
    bool
        Whether everything could be written; what could not is told.
    """
    history.remember_runs(runs, workflow, detached.number())
    written = True
    for name, write in (("report", _report), ("trace", _trace)):
        path = getattr(options, name)
        if path is None:
            continue
        try:
            write(Path(path), options, seconds, workflow, runs)
        except OSError as e:
            tell(f"--{name} {path}: {e.strerror or e}")
            written = False
    return written


def _report(
    path: Path, options: Namespace, seconds: float, workflow: str, runs: list[Progress]
) -> None:
    facts = [("Workflow", workflow), ("The whole workflow took", f"{seconds:.1f} s")]
    if options.aliases:
        facts.append(
            ("Parameters", ", ".join(f"{name} = {value}" for name, value in options.aliases))
        )
    facts.append(("ipyparallel", importlib.metadata.version("ipyparallel")))
    write_report(path, About(workflow, facts), runs)


def _trace(path: Path, _: Namespace, __: float, ___: str, runs: list[Progress]) -> None:
    write_trace(path, runs)


def show_runs(options: Namespace) -> int:
    """List the runs of the past and those without a terminal, the latest last.

    Returns
    -------
    int
        The exit code: 1 if there is none.
    """
    found = all_runs()[-options.number :]
    if options.json:
        print_document("runs", {"runs": [asdict(run) for run in found]})
        return Exit.OK
    if not found:
        print("There are no runs yet: 'parallelflow run FILE' makes one.")
        return Exit.FAILED
    rows = [TITLES]
    for run in found:
        elements = str(run.total)
        if run.done + run.failed < run.total:
            elements = f"{run.done + run.failed} of {run.total}"
        rows.append(
            (
                time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began)),
                printable(Path(run.workflow).name) or "-",
                printable(run.label) or "-",
                run.state,
                elements,
                str(run.failed) if run.failed else "no",
                f"{run.seconds:.1f} s",
                str(run.engines),
                shown_bytes(run.memory) or "-",
                str(run.number) if run.number else "-",
            )
        )
    numbered = any(run.number for run in found)
    for line in aligned([row if numbered else row[:-1] for row in rows]):
        print(line)
    return Exit.OK
