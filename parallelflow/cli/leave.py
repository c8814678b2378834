"""*Leave running*: what Ctrl-C offers at a terminal, and how a run goes on without it.

The process at the terminal cannot leave it: it has threads, so that no copy of it would work. It
stops its run, keeps what has finished, and begins a detached run of the same command, which takes
over the engines and resumes.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from parallelflow.engine.place import on_engine

from . import signals
from .detach import detach
from .detached import is_detached
from .exits import Exit
from .messages import tell
from .progress import ProgressDisplay
from .signals import Answer

try:
    import termios
except ImportError:  # not a Unix
    termios = None  # type: ignore[assignment]

__all__ = ["ask", "go_on", "hand_over", "offered"]

# Who has sent the signal from elsewhere, or has gone away, means the end.
ANSWER_SECONDS = 30.0
LINE_BYTES = 1024

QUESTION = """\
s  stops the run, as Ctrl-C again does; what has finished is kept
l  leaves it running without this terminal
g  goes on here"""
ANSWERS = {"s": Answer.STOP, "l": Answer.LEAVE, "g": Answer.GO_ON}


_record: Path | None = None


@contextlib.contextmanager
def offered(display: ProgressDisplay) -> Iterator[None]:
    """Let Ctrl-C ask within the block, which runs a workflow, if there is somebody to answer.

    Parameters
    ----------
    display : ProgressDisplay
        Where progress is shown.
    """
    if is_detached() or on_engine() or not _somebody_is_there():
        yield
        return
    with signals.asking(lambda signalled: _ask(display, signalled)):
        yield


def _somebody_is_there() -> bool:
    """Return True if this process may read from a terminal, and shows its messages there."""
    if termios is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()  # else it is in the background


def _ask(display: ProgressDisplay, signalled: socket.socket) -> Answer:
    try:
        if not _somebody_is_there():
            return Answer.STOP
        with display.hidden():
            return ask(display, signalled, sys.stdin.fileno())
    except (OSError, ValueError, termios.error):  # the terminal has gone
        return Answer.STOP


def ask(display: ProgressDisplay, signalled: socket.socket, terminal: int) -> Answer:
    """Ask at a terminal what is to become of a run, which goes on meanwhile.

    Parameters
    ----------
    display : ProgressDisplay
        What is known of the run.
    signalled : socket
        Can be read when the question is over.
    terminal : int
        Where the answer is typed.
    """
    termios.tcflush(terminal, termios.TCIFLUSH)  # what was typed before is no answer
    sys.stderr.write("\n")
    done = [s for s in display.last.values() if not s.state.is_finished]
    if done:
        finished = done[-1].done + done[-1].failed
        tell(f"{done[-1].label}: {finished} of {done[-1].total} have finished, and it goes on")
    for line in QUESTION.splitlines():
        tell(f"  {line}")
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        sys.stderr.write("parallelflow: s, l or g? ")
        sys.stderr.flush()
        left = max(end - time.monotonic(), 0.0)
        ready = select.select([signalled.fileno(), terminal], [], [], left)[0]
        if signalled.fileno() in ready:
            sys.stderr.write("\n")
            return Answer.INTERRUPTED
        if not ready:
            sys.stderr.write("\n")
            tell(f"no answer for {ANSWER_SECONDS:.0f} s: the run is stopped")
            return Answer.STOP
        typed = os.read(terminal, LINE_BYTES).decode(errors="replace")
        answer = ANSWERS.get(typed.strip().lower()[:1])
        if answer is not None:
            return answer
        if not typed:
            return Answer.STOP


def hand_over() -> None:
    """Leave the engines that this session has started for the run that goes on."""
    from parallelflow.engine_manager import get_manager

    global _record
    manager = get_manager()
    try:
        _record = manager.leave_running()
    finally:
        manager.stop()


def go_on(
    options: Namespace, arguments: Sequence[str], environment: Mapping[str, str], directory: str
) -> int:
    """Begin the detached run; what is left for it is stopped if it does not begin.

    Parameters
    ----------
    options : Namespace
        The command's.
    arguments : sequence of str
        Its arguments.
    environment, directory
        As the command had them when it began.

    Returns
    -------
    int
        The exit code.
    """
    global _record
    record, _record = _record, None
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None:  # the terminal may be closed from now on
        signal.signal(hangup, signal.SIG_IGN)
    tell("stopped here; it goes on without this terminal in a moment")
    code: int = Exit.FAILED
    try:
        with signals.handled(lambda: None):
            code = detach(options, arguments, environment, directory, record)
    finally:
        if record is not None:
            _stop_what_is_left(record)
    return code


def _stop_what_is_left(path: Path) -> None:
    """Stop what nobody has taken over."""
    from parallelflow.engine_manager.system.records import read

    record = read(path)
    if record is not None and record.keep:
        record.stop()
