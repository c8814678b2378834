"""``parallelflow run``: a workflow from the command line."""

from __future__ import annotations

import contextlib
import sys
import time
from argparse import Namespace
from typing import Any

from parallelflow.engine.place import on_engine
from parallelflow.engine_manager import get_manager
from parallelflow.errors import UserMistake
from parallelflow.progress import recent

from . import one_element, peek, records, report, run_document, signals
from .detached import note_checked
from .engines import Terminal
from .exits import Exit
from .json_output import output_to_stderr, print_document
from .leave import offered
from .messages import tell
from .opening import begin, opened, read_targets
from .output_files import check_output_files
from .parameters_file import errors_name_the_file, read_parameters
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
    check_output_files(options, options.files)
    began, earlier = time.monotonic(), recent()
    written, mistaken = True, False
    try:
        with one_element.computed_here(options.element is not None):
            code = _run_files(options, began)
    except UserMistake:
        mistaken = True  # there is nothing to report of
        raise
    finally:
        asked = (options.report or options.trace) and not mistaken
        runs = [run for run in recent() if run not in earlier]
        # A run that goes on elsewhere is written about there.
        if not options.dry_run and (runs or asked) and not signals.is_leaving():
            seconds = time.monotonic() - began
            written = records.keep(options, seconds, " ".join(options.files), runs)
    return code if written or code else Exit.FAILED


def _run_files(options: Namespace, began: float) -> int:
    if options.params_file is None:
        return _run_as_asked(options, began)
    by_set = {alias for alias, _ in options.aliases}
    given = read_parameters(options.params_file)
    by_file = {alias: value for alias, value in given.items() if alias not in by_set}
    options.aliases = [*by_file.items(), *options.aliases]
    with errors_name_the_file(options.params_file, by_file):
        return _run_as_asked(options, began)


def _run_as_asked(options: Namespace, began: float) -> int:
    many = bool(options.table) or len(options.files) > 1
    if many and options.element is not None:
        raise UserMistake("--element is for one run: leave it out.")
    run_document.check_number_of_runs(options.out, many, options.json)
    if options.dry_run:
        from .dry_run import show_plan

        return show_plan(options)
    if many or (options.out and not run_document.is_json(options.out)):
        from .batch import run_batch

        return run_batch(options)
    [wanted], [tree] = read_targets(options, options.files)
    display = begin(options)
    if not on_engine() and peek.wants_engines(tree, wanted.version, options.parallel_maps):
        get_manager().prepare()
    del tree
    with opened([wanted], options.save_log) as [workflow]:
        aliases = workflow.check_aliases(options.aliases)
        if options.element is not None:
            return one_element.run_element(workflow, aliases, options)
        return _run(workflow, aliases, options, display, began)


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
        stack.enter_context(output_to_stderr(options.json))
        stack.enter_context(display.shown())
        stack.enter_context(offered(display))
        executed, _ = workflow.controller.execute_current_workflow(
            custom_aliases=aliases, reason="parallelflow run"
        )
    if options.save_log:
        from parallelflow.batch.point_log import note_parameters

        note_parameters(workflow.controller, aliases)
    if signals.exit_code() is not None:
        return Exit.FAILED  # not worth a report: the errors are those of the interruption
    result = executed[0]
    snapshots = list(display.last.values())
    terminal = get_manager().interaction
    start_seconds = terminal.start_seconds if isinstance(terminal, Terminal) else None
    seconds = time.monotonic() - began
    if options.json or options.out:
        times = seconds, start_seconds
        content = run_document.run_content(workflow, aliases, result, snapshots, times)
        if options.out:
            run_document.write_document(options.out, content)
        if options.json:
            print_document("run", content)
    if result.errors:
        # The essence comes last, where it stays on the screen.
        for trace in report.traces(result.errors):
            print(trace, file=sys.stderr)
        for line in report.failure(workflow.pipeline, result.errors):
            tell(line)
        return Exit.FAILED
    if not options.json:
        on_screen = sys.stdout.isatty()
        for line in report.results(workflow.pipeline, result.objects, whole=not on_screen):
            print(line)
    sys.stdout.flush()  # what follows comes last, also where both streams are one
    if result.suspended:
        for line in report.suspension(workflow.pipeline, result.suspended):
            tell(line)
        return Exit.FAILED
    if not options.quiet:
        tell(report.summary(snapshots, seconds, serial_maps, start_seconds))
    return Exit.OK


def _parallel_loops(options: Namespace) -> contextlib.AbstractContextManager[None]:
    from parallelflow.loops.activation import running
    from parallelflow.loops.choice import Scope

    scope = Scope.MAPS if options.parallel_maps else Scope.MARKED
    return running(scope | Scope.WORTH_IT if options.parallel else scope)
