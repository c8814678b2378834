"""The results of a run as JSON: for ``--json``, and for ``--output FILE.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parallelflow.engine.workflow_results import UNCAUGHT, module_results, named
from parallelflow.errors import UserMistake
from parallelflow.progress import Snapshot

from .json_output import as_json, document
from .output_files import write_or_print

__all__ = ["check_number_of_runs", "is_json", "run_content", "write_document"]

ENDING = ".json"
"""How the name of a file ends that takes the results of one run."""


def is_json(out: str | None) -> bool:
    """Return True if ``--output`` names a file for JSON."""
    return out is not None and out.lower().endswith(ENDING)


def check_number_of_runs(out: str | None, many: bool, json: bool) -> None:
    """Raise for several runs whose results are to be JSON.

    Parameters
    ----------
    out : str or None
        The file of ``--output``.
    many : bool
        Whether there are several runs: the rows of a table, several files.
    json : bool
        Whether ``--json`` was given.

    Raises
    ------
    UserMistake
        If several runs are to be written as JSON.
    """
    if many and (json or is_json(out)):
        raise UserMistake(
            "The results of several runs are a table (CSV): leave --json out, and give --output "
            "a name that ends in .csv."
        )


def run_content(
    workflow: Any,
    aliases: Mapping[str, str],
    result: Any,
    snapshots: list[Snapshot],
    times: tuple[float, float | None],
) -> dict[str, Any]:
    """Return what is told of a run.

    Parameters
    ----------
    workflow : Workflow
        The workflow that was run.
    aliases : mapping
        The values that were given to aliases.
    result : object
        What VisTrails' interpreter returned.
    snapshots : list of Snapshot
        The last one of every loop that was run on engines.
    times : tuple of (float, float or None)
        How long the command took, and the start of engines, seconds; None if none were started.
    """
    pipeline = workflow.pipeline
    state = "failed" if result.errors else "suspended" if result.suspended else "done"
    failed = sorted({**result.suspended, **result.errors}.items())
    return {
        "workflow": str(workflow.target),
        "version": workflow.version,
        "state": state,
        "parameters": dict(aliases),
        "results": [
            {"name": name, "type": type(value).__name__, "value": as_json(value)}
            for _, name, value in module_results(pipeline, result.objects)
        ],
        "errors": [_error(pipeline, number, error) for number, error in failed],
        "loops": [_loop(snapshot) for snapshot in snapshots],
        "seconds": round(times[0], 3),
        "start_seconds": None if times[1] is None else round(times[1], 3),
    }


def _error(pipeline: Any, number: int, error: Any) -> dict[str, Any]:
    element = getattr(error, "element", None)
    return {
        "module": named(pipeline.modules.get(number), number),
        "id": number,
        "message": str(error.msg).strip().replace(UNCAUGHT, ""),
        "element": None
        if element is None
        else {
            "index": element.index,
            "path": list(element.path),
            "total": element.total,
            "input": element.input,
            "engine": element.engine,
            "host": element.host,
        },
    }


def _loop(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "label": snapshot.label,
        "state": snapshot.state.value,
        "total": snapshot.total,
        "done": snapshot.done,
        "failed": snapshot.failed,
        "engines": snapshot.engines,
        "seconds": round(snapshot.wall_seconds, 3),
        "work_seconds": round(snapshot.element_seconds, 3),
    }


def write_document(out: str, content: Mapping[str, Any]) -> None:
    """Write the JSON of a run, in one step; print it if that is not possible.

    Parameters
    ----------
    out : str
        The file, which is replaced.
    content : mapping
        As `run_content` returns it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_or_print("--output", out, f"{document('run', content)}\n")
