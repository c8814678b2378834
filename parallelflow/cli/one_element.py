"""``parallelflow run --element``: one element of a Map in this process, to look into it."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from parallelflow.engine.place import VARIABLE
from parallelflow.engine.workflow_results import title
from parallelflow.errors import UserMistake, shortened

from . import report, signals
from .exits import Exit
from .messages import tell
from .repeats import loops_of

__all__ = ["computed_here", "run_element"]


@contextlib.contextmanager
def computed_here(wanted: bool) -> Iterator[None]:
    """Compute everything in this process within the block, without a cluster.

    Parameters
    ----------
    wanted : bool
        False to change nothing.
    """
    if not wanted or VARIABLE in os.environ:
        yield
        return
    os.environ[VARIABLE] = "1"  # as for a program that an element has started
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def run_element(workflow: Any, aliases: dict[str, str], options: Namespace) -> int:
    """Run a workflow as far as a Map, and one element of that.

    Parameters
    ----------
    workflow : Workflow
        The workflow.
    aliases : dict
        Values of aliases.
    options : Namespace
        With ``element``.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    UserMistake
        If there is no such Map, or there are several.
    """
    from parallelflow.loops.one_element import only_element

    label, index = options.element
    loop = _find(workflow, label)

    def look(element: Any, value: Any) -> None:
        print(f"element  {index} (the first is 0)")
        print(f"input    {element!r}")
        print(f"value    {value!r}")

    with only_element(loop.id, index, look):
        executed, _ = workflow.controller.execute_current_workflow(
            custom_aliases=aliases, reason="parallelflow run --element", sinks=[loop.id]
        )
    if signals.exit_code() is not None:
        return Exit.FAILED
    result = executed[0]
    sys.stdout.flush()  # what follows comes last, also where both streams are one
    for trace in report.traces(result.errors):
        print(trace, file=sys.stderr)
    for line in report.failure(workflow.pipeline, result.errors):
        tell(line)
    if result.suspended:
        for line in report.suspension(workflow.pipeline, result.suspended):
            tell(line)
    return Exit.FAILED if result.errors or result.suspended else Exit.OK


def _find(workflow: Any, label: str) -> Any:
    pipeline = workflow.pipeline
    loops = [m for p, m in loops_of(pipeline) if p is pipeline and m.name in ("Map", "Filter")]
    found = [m for m in loops if label in ("", title(m))]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(title(m) for m in loops))
    if not loops:
        raise UserMistake(f"{workflow.target} has no Map or Filter outside of Groups.")
    if found:
        raise UserMistake(f"{workflow.target} has several: {names}. Give one as LABEL:NUMBER.")
    raise UserMistake(
        f"{workflow.target} has no Map or Filter {shortened(label)}; it has: {names}."
    )
