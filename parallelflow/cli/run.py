"""``parallelflow run``: a workflow from the command line."""

from __future__ import annotations

import contextlib
import sys
import time
from argparse import Namespace
from typing import Any

from parallelflow.engine.place import on_engine
from parallelflow.engine_manager import get_manager
from parallelflow.engine_manager.interaction import ConsoleInteraction
from parallelflow.engine_manager.model import StartSnapshot
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import UserMistake

from . import peek, report, signals, target
from .exits import Exit
from .messages import configure, tell
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
    began = time.monotonic()
    wanted = target.parse(options.file)
    tree = target.read(wanted.path)
    display = ProgressDisplay(sys.stderr)
    configure(display, options.verbose)
    _configure_engines(options)
    if not on_engine() and peek.wants_engines(tree, wanted.version, options.parallel_maps):
        get_manager().prepare()
    del tree

    from parallelflow.host import start_core

    # The execution log would go into the vistrail, which is not saved.
    start_core(execution_log=False)
    from .workflow import Workflow

    workflow = Workflow(wanted)
    try:
        return _run(workflow, workflow.check_aliases(options.aliases), options, display, began)
    finally:
        workflow.close()


class _Terminal(ConsoleInteraction):
    """The terminal's answers, its way of giving up, and how long a start took.

    Attributes
    ----------
    start_seconds : float or None
        How long the last start of engines took; None if there was none.
    """

    def __init__(self) -> None:
        self.start_seconds: float | None = None
        self._start_began: float | None = None

    def starting(self, snapshot: StartSnapshot) -> None:
        """Take note of when a start began."""
        if self._start_began is None:
            self._start_began = time.monotonic()
        super().starting(snapshot)

    def start_ended(self) -> None:
        """Take note of how long the start took."""
        if self._start_began is not None:
            self.start_seconds = time.monotonic() - self._start_began
            self._start_began = None

    def cancelled(self) -> bool:
        """Whether a signal has asked the command to end."""
        return signals.exit_code() is not None


def _configure_engines(options: Namespace) -> None:
    if options.profile is not None:
        profiles.check_name(options.profile)
        if not profiles.profile_exists(options.profile):
            raise UserMistake(
                f"there is no IPython profile {options.profile!r}; make it with "
                f"'ipython profile create --parallel {options.profile}'."
            )
    manager = get_manager()
    manager.interaction = _Terminal()
    manager.configure(options.profile, options.engines)
    if on_engine():
        return  # in a program that an element has started: everything is computed here
    client = manager.connect()
    manager.check_wanted()
    if client is None:
        # What is started for this run ends with it: nobody else should connect to it.
        manager.configure(private=True)


def _run(
    workflow: Any,
    aliases: dict[str, str],
    options: Namespace,
    display: ProgressDisplay,
    began: float,
) -> int:
    serial_maps = workflow.maps(peek.CONTROL_FLOW)
    wanted = workflow.maps(peek.PARALLEL_FLOW) or (options.parallel_maps and serial_maps)
    if wanted and not on_engine():
        get_manager().prepare()
    with contextlib.ExitStack() as stack:
        if options.parallel_maps:
            from parallelflow.loops.activation import parallel_maps

            stack.enter_context(parallel_maps())
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
    sys.stdout.flush()
    if result.suspended:
        for line in report.suspension(workflow.pipeline, result.suspended):
            tell(line)
        return Exit.FAILED
    terminal = get_manager().interaction
    start_seconds = terminal.start_seconds if isinstance(terminal, _Terminal) else None
    seconds = time.monotonic() - began
    tell(report.summary(list(display.last.values()), seconds, serial_maps, start_seconds))
    return Exit.OK
