"""A run without a terminal: ``python -m parallelflow.cli.detached_process FOLDER ARGUMENT ...``.

It is the command as at the terminal, but that it writes into the files of its folder. Before the
arguments may stand ``--continued RECORD``: see `parallelflow.cli.detached.CONTINUED`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from parallelflow.engine_manager.system.processes import record_of
from parallelflow.runs.detached import DetachedRun, read_detached
from parallelflow.runs.detached_progress import writing_progress
from parallelflow.system import collection, safe_files

from . import parser
from .command import main as run_command
from .detached import CONTINUED, STARTED, be
from .exits import Exit

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the command in this process.

    Parameters
    ----------
    arguments : list of str
        The run's folder, perhaps what it continues, and the arguments of ``parallelflow``.

    Returns
    -------
    int
        The exit code.
    """
    collection.spare_start()
    process = record_of(os.getpid(), "session")
    assert process is not None  # we are running
    folder, *command = arguments
    continued, record = command[:1] == [CONTINUED], ""
    if continued:
        record, command = command[1], command[2:]
    options = parser.build().parse_args(command)
    run = DetachedRun(
        folder=Path(folder),
        command=command,
        workflow=options.file if options.command == "explore" else " ".join(options.files),
        directory=str(Path.cwd()),
        process=process,
        began=time.time(),
        encoding=sys.stdout.encoding,
    )
    run.write()
    be(run, continued, Path(record) if record else None)
    files = [_new_file(path) for path in (run.output, run.messages)]
    os.write(1, STARTED)
    for standard, file in enumerate(files, 1):
        os.dup2(file, standard)
        os.close(file)
        os.set_inheritable(standard, True)
    # Who looks at the run sees a line when it is written.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    code: int = Exit.FAILED
    try:
        with writing_progress(run.folder):
            code = run_command(command)
    finally:
        if os.getpid() == process.pid:  # not a child that the workflow has forked
            latest = read_detached(run.folder) or run
            latest.finish(code)
    return code


def _new_file(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    return os.open(path, flags, safe_files.PRIVATE_FILE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
