"""``parallelflow run``: a workflow from the command line."""

from __future__ import annotations

import contextlib
import sys
import time
from argparse import Namespace
from typing import Any

from parallelflow.engine.place import on_engine
from parallelflow.engine_manager import get_manager
from parallelflow.progress import recent

from . import peek, records, report, signals, streams
from .detached import note_checked
from .engines import Terminal
from .exits import Exit
from .messages import tell
from .opening import begin, opened, read_targets
from .progress import ProgressDisplay

__all__ = ["run"]


def run(options: Namespace) -> int:
    """Run the workflow that the options name.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.parser` makes it.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    ParallelFlowError
        Of the user's mistakes; nothing was run.
    """
    records.check_files(options)
    began = time.monotonic()
    written = True
    try:
        code = _run_files(options, began)
    finally:
        if recent() or options.report or options.trace:
            seconds = time.monotonic() - began
            written = records.keep(options, seconds, " ".join(options.files))
    return code if written or code else Exit.FAILED


def _run_files(options: Namespace, began: float) -> int:
    if options.table or options.out or len(options.files) > 1:
        from .batch import run_batch

        return run_batch(options)
    [wanted], [tree] = read_targets(options, options.files)
    display = begin(options)
    if not on_engine() and peek.wants_engines(tree, wanted.version, options.parallel_maps):
        get_manager().prepare()
    del tree
    with opened([wanted], options.save_log) as [workflow]:
        return _run(workflow, workflow.check_aliases(options.aliases), options, display, began)


def _run(
    workflow: Any,
    aliases: dict[str, str],
    options: Namespace,
    display: ProgressDisplay,
    began: float,
) -> int:
    note_checked()
    serial_maps = workflow.maps(peek.CONTROL_FLOW)
    wanted = workflow.maps(peek.PARALLEL_FLOW) or (options.parallel_maps and serial_maps)
    wanted = wanted or workflow.has_marked()
    if wanted and not on_engine():
        get_manager().prepare()
    with contextlib.ExitStack() as stack:
        if options.parallel_maps or options.parallel:
            stack.enter_context(_parallel_loops(options))
            serial_maps = 0
        stack.enter_context(display.shown())
        executed, _ = workflow.controller.execute_current_workflow(
            custom_aliases=aliases, reason="parallelflow run"
        )
    if signals.exit_code() is not None:
        return Exit.FAILED  # not worth a report: the errors are those of the interruption
    result = executed[0]
    if result.errors:
        # The essence comes last, where it stays on the screen.
        for trace in report.traces(result.errors):
            print(trace, file=sys.stderr)
        for line in report.failure(workflow.pipeline, result.errors):
            tell(line)
        return Exit.FAILED
    on_screen = sys.stdout.isatty()
    for line in report.results(workflow.pipeline, result.objects, whole=not on_screen):
        print(line)
    streams.check_output()
    if result.suspended:
        for line in report.suspension(workflow.pipeline, result.suspended):
            tell(line)
        return Exit.FAILED
    terminal = get_manager().interaction
    start_seconds = terminal.start_seconds if isinstance(terminal, Terminal) else None
    seconds = time.monotonic() - began
    tell(report.summary(list(display.last.values()), seconds, serial_maps, start_seconds))
    return Exit.OK


def _parallel_loops(options: Namespace) -> contextlib.AbstractContextManager[None]:
    from parallelflow.loops.activation import running
    from parallelflow.loops.choice import Scope

    scope = Scope.MAPS if options.parallel_maps else Scope.MARKED
    return running(scope | Scope.WORTH_IT if options.parallel else scope)
