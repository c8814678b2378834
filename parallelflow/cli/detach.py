"""``--detach``: begin a run in a process of its own, which goes on when the terminal is closed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from parallelflow.engine_manager.system.module_command import command_with_path
from parallelflow.errors import UserMistake
from parallelflow.runs.detached import DetachedRun, new_folder, read_detached, remove_folder
from parallelflow.system import safe_files
from parallelflow.system.waiting import wait_until

from .attach import end
from .detached import CONTINUED, STARTED
from .exits import Exit
from .messages import tell

__all__ = ["detach"]


def detach(
    options: Namespace,
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    record: Path | None = None,
) -> int:
    """Begin the run that the arguments ask for, and wait until they are found to be right.

    Parameters
    ----------
    options : Namespace
        The options, as `parallelflow.cli.parser` makes them.
    arguments : sequence of str
        The command's arguments.
    environment : mapping, optional
        The run's; this process' if not given.
    directory : str, optional
        Its working directory; this process' if not given.
    record : Path, optional
        Of the engines that this session has left for it. With ``environment``, the run is one
        that was begun before, so that it resumes whatever the arguments say.

    Returns
    -------
    int
        The exit code: 0 when the run goes on, that of the run if it could not begin.

    Raises
    ------
    UserMistake
        If no process can be started, or its files cannot be written.
    """
    try:
        folder = new_folder()
    except OSError as e:
        raise UserMistake(f"The run cannot be detached: {e}.") from e
    try:
        going_on = [CONTINUED, str(record or "")] if environment is not None else []
        process = _start(folder, [*going_on, *arguments], environment, directory)
        run = _checked(folder, process)
    except BaseException:
        remove_folder(folder)
        raise
    if run is None:
        code = process.wait()
        with contextlib.suppress(OSError, safe_files.UnusableFile):
            messages = safe_files.read_bytes(folder / "messages", links=False, own=True)
            sys.stderr.write(messages.decode("utf-8", "replace"))
        remove_folder(folder)
        if code < 0:
            name = signal.Signals(-code).name
            tell(f"the run was ended by {name} before it had begun: nothing goes on")
        return code if code >= 0 else 128 - code
    _tell(run)
    return Exit.OK


def _start(
    folder: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str] | None,
    directory: str | None,
) -> subprocess.Popen[bytes]:
    command = [*command_with_path("parallelflow.cli.detached_process"), str(folder), *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # no signal of this terminal reaches it
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as e:
        raise UserMistake(f"The run cannot be detached: {e}.") from e
    assert process.stdout is not None
    try:
        with process.stdout as pipe:
            told = pipe.read()  # to the end: it closes the pipe when it has its files
    except BaseException:
        process.terminate()
        raise
    if told != STARTED:
        process.wait()
        lines = told.decode(errors="replace").strip().splitlines() or ["it ended"]
        raise UserMistake(f"The run cannot be detached: {lines[-1]}.")
    return process


def _checked(folder: Path, process: subprocess.Popen[bytes]) -> DetachedRun | None:
    """Wait until a run's file and arguments are found to be right; return None if they are not."""

    def is_checked() -> bool:
        run = read_detached(folder)
        return run is not None and run.checked

    try:
        wait_until(lambda: is_checked() or process.poll() is not None, None)
    except BaseException:
        run = read_detached(folder)
        if run is not None:
            end(run)
        process.wait()
        raise
    return read_detached(folder) if is_checked() else None


def _tell(run: DetachedRun) -> None:
    number = run.number
    tell(f"run {number} goes on without this terminal; 'parallelflow runs' lists it")
    tell(f"  parallelflow attach {number}   shows its progress, output and result")
    tell(f"  parallelflow cancel {number}   ends it")
    if not sys.stdout.isatty():  # for a script
        print(number)
