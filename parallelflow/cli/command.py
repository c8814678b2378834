"""The ``parallelflow`` command: from arguments to an exit code."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from parallelflow.errors import (
    ClusterError,
    ControllerFailed,
    ParallelFlowError,
    WorkingDirectoryGone,
)
from parallelflow.system import collection
from parallelflow.system.working_directory import working_directory

from . import cluster_parser, completion, explain, parser, signals, streams
from .environment import prepare_environment
from .exits import Exit

__all__ = ["main"]

# What they start, or name, is in the working directory; the others only look and stop.
NEEDS_FOLDER = ("run", "explore", "gui", "check", "setup", "start")
# What they print tells what they have done. A closed standard output says that nobody wants it.
ACTS = ("gui", "setup", "start", "cleanup", "shutdown", "cancel")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `parallelflow.cli.main`."""
    try:
        with streams.usable():
            return _main(argv)
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except streams.OutputFailed as e:
        print(f"parallelflow: standard output cannot be written: {e.strerror}", file=sys.stderr)
        return Exit.FAILED
    finally:
        collection.end_start()


def _main(argv: Sequence[str] | None) -> int:
    arguments = parser.build()
    completion.activate(arguments)
    try:
        options = arguments.parse_args(argv)
    except SystemExit as e:  # after --help, --version or a mistake
        if not e.code:
            streams.check_output()
        return int(e.code or 0)
    if options.command is None:
        arguments.print_help(sys.stderr)
        return Exit.MISTAKE
    options.command = cluster_parser.OTHER_NAMES.get(options.command, options.command)
    code = _told(lambda: _run_command(options, sys.argv[1:] if argv is None else argv))
    # VisTrails turns an interruption into an error of the module that was running, so the
    # signal decides, not what came of it.
    if (stopped := signals.exit_code()) is not None:
        if stopped != 128 + signal.SIGPIPE:  # as quiet as other commands are then
            print(f"parallelflow: stopped by {signals.name()}", file=sys.stderr)
        return stopped
    if code == Exit.OK and not _acts(options):
        streams.check_output()
    return code


def _acts(options: Namespace) -> bool:
    """Return True if a command is run for what it does, not for what it prints."""
    if getattr(options, "dry_run", False):
        return False
    removes = getattr(options, "action", "") == "remove"
    return options.command in ACTS or getattr(options, "detach", False) or removes


def _run_command(options: Namespace, argv: Sequence[str]) -> int:
    _check_folder(options.command)
    environment, folder = dict(os.environ), str(Path.cwd())  # a workflow may change them
    prepare_environment()
    code = _told(lambda: _dispatch(options, argv))
    if signals.is_leaving():
        from .leave import go_on

        return go_on(options, argv, environment, folder)
    return code


def _told(action: Callable[[], int]) -> int:
    """Do something and tell its errors; return the exit code."""
    try:
        return action()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except WorkingDirectoryGone as e:
        return _complain(e, Exit.MISTAKE)
    except ClusterError as e:
        return _complain(e, Exit.FAILED)
    except ParallelFlowError as e:
        return _complain(e, Exit.MISTAKE)
    except (BrokenPipeError, streams.OutputFailed):
        raise
    except RuntimeError as e:
        from parallelflow.engine_manager.system.resources import NO_THREAD, what_to_do

        if NO_THREAD not in str(e):
            raise
        told = ControllerFailed(f"Nothing can be started here: {e}. {what_to_do(e, '')}")
        return _complain(told, Exit.FAILED)
    except OSError as e:
        if e.filename is None:
            raise
        # Of a file that nobody gives a name to: a configuration, a folder of libraries.
        return _complain(ParallelFlowError(f"{e.filename}: {e.strerror}."), Exit.FAILED)


def _check_folder(command: str) -> None:
    """Raise for a command that needs a working directory if there is none."""
    try:
        working_directory()
    except WorkingDirectoryGone:
        if command in NEEDS_FOLDER:
            raise
        os.chdir("/")


def _dispatch(options: Namespace, argv: Sequence[str]) -> int:
    # Each command imports what it needs: --help is instant.
    if options.command == "gui":
        from .window import open_window

        collection.collect_as_usual()  # until the window leaves its own objects out
        return open_window(options)  # it has an event loop, and signal handlers that end it
    if options.command == "explain":
        return explain.run_command(options)
    if options.command == "completion":
        return completion.run_command(options)
    if options.command == "checkpoints":
        from .checkpoints import run_command as run_checkpoints

        return run_checkpoints(options)
    if options.command == "attach":
        from .attach import attach

        return attach(options)  # Ctrl-C ends the look at the run, not the run
    if options.command == "cancel":
        from .attach import cancel

        return cancel(options)
    with signals.handled(_stop_engines), streams.watched():
        try:
            if getattr(options, "detach", False) and not _stays_here(options):
                from .detached import is_detached

                if not is_detached():
                    from .detach import detach

                    return detach(options, argv)
            if options.command == "show":
                from .show import show

                return show(options)
            if options.command == "check":
                from .check import check

                return check(options)
            if options.command == "setup":
                from .setup import set_up

                return set_up(options)
            if options.command == "runs":
                from .records import show_runs

                return show_runs(options)
            if options.command in cluster_parser.COMMANDS:
                from .cluster import run_command

                return run_command(options)
            if options.command == "explore":
                from .explore import explore

                return explore(options)
            from .run import run

            return run(options)
        finally:
            _end_engines()


def _stays_here(options: Namespace) -> bool:
    """Return True if there is nothing to go on with after the command."""
    return getattr(options, "dry_run", False) or getattr(options, "element", None) is not None


def _end_engines() -> None:
    if signals.is_leaving():
        from .leave import hand_over

        hand_over()
    else:
        _stop_engines()


def _stop_engines() -> None:
    from parallelflow.engine_manager import get_manager

    get_manager().stop()


def _complain(error: ParallelFlowError, code: Exit) -> int:
    if signals.exit_code() is not None:
        return code  # an error of the interruption
    for line in str(error).splitlines():
        print(f"parallelflow: {line}", file=sys.stderr)
    if error.more:
        print(f"parallelflow: {error.more}", file=sys.stderr)
    return code
