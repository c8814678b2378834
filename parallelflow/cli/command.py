"""The ``parallelflow`` command: from arguments to an exit code."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from parallelflow.errors import ClusterError, ParallelFlowError

from . import parser, signals
from .exits import Exit

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `parallelflow.cli.main`."""
    arguments = parser.build()
    try:
        options = arguments.parse_args(argv)
    except SystemExit as e:  # after --help, --version or a mistake
        return int(e.code or 0)
    if options.command is None:
        arguments.print_help(sys.stderr)
        return Exit.MISTAKE
    try:
        with signals.handled(_stop_engines):
            try:
                code = _dispatch(options)
            finally:
                _stop_engines()
    except signals.Stopped:
        code = Exit.FAILED
    except ClusterError as e:
        return _complain(e, Exit.FAILED)
    except ParallelFlowError as e:
        return _complain(e, Exit.MISTAKE)
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter's own flush at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    # VisTrails turns an interruption into an error of the module that was running, so the
    # signal decides, not what came of it.
    if (stopped := signals.exit_code()) is not None:
        print(f"parallelflow: stopped by {signals.name()}", file=sys.stderr)
        return stopped
    return code


def _dispatch(options: Namespace) -> int:
    # Each command imports what it needs: --help is instant.
    if options.command == "run":
        from .run import run

        return run(options)
    from .window import open_window

    return open_window(options)


def _stop_engines() -> None:
    from parallelflow.engine_manager import get_manager

    get_manager().stop()


def _complain(error: Exception, code: Exit) -> int:
    for line in str(error).splitlines():
        print(f"parallelflow: {line}", file=sys.stderr)
    return code
