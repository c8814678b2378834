"""Ctrl-C, SIGTERM and a closed terminal: an orderly end within a bounded time.

The first signal raises `Stopped` in the main thread, so that whatever runs cleans up
as it would after any exception. Ctrl-C at a terminal may ask first: see `asking`. A thread
watches: if the main thread has not ended after a while (a long call into C, or workflow code
that swallows the exception), it stops the engines and ends the process itself. Children that
a workflow forks have none of it.
"""

from __future__ import annotations

import _thread
import contextlib
import enum
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from parallelflow.system import forks
from parallelflow.system.swallowed_exceptions import SwallowedExceptions

__all__ = ["Answer", "Stopped", "asking", "exit_code", "handled", "is_leaving", "name", "stop"]

# An interrupted Map ends its engines' work in a few tenths of a second and stops the
# engines in 1.5 s; a busy machine may take longer. After this the process is ended hard.
GRACE_SECONDS = 10.0

# Stopping engines by force takes as long as an orderly stop at most; it may also wait for
# a lock of the main thread that never comes free.
LAST_RESORT_SECONDS = 10.0

# The frame that swallowed an exception has returned by then; if it has not, it is raised once more.
AGAIN_SECONDS = 0.01

# SIGHUP (the terminal was closed) does not exist on every system.
_HANGUP = getattr(signal, "SIGHUP", None)


class Stopped(KeyboardInterrupt):
    """The process was asked to end.

    A KeyboardInterrupt, because that is what VisTrails and our Map answer by
    stopping their work.

    Parameters
    ----------
    number : int
        The signal's number.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class Answer(enum.Enum):
    """What the user wants of a run after Ctrl-C."""

    STOP = enum.auto()
    LEAVE = enum.auto()  # it goes on without this terminal
    GO_ON = enum.auto()
    INTERRUPTED = enum.auto()  # by another signal, or by the end of the run


Question = Callable[[socket.socket], Answer]

_received: int | None = None
# Whether a block handles signals, and the one that `stop` stands for.
_handling = False
_instead: int | None = None
# What Ctrl-C asks, if anything, and whether the answer was to leave the run.
_question: Question | None = None
_leave = False
# Whether the exception of the signal received is to be raised once more, and how many signals to
# the main thread this process has sent itself, which its watcher is to pass over.
_again = False
_own = 0
# A question ends with the run that it is about.
_question_lock = threading.Lock()


def exit_code() -> int | None:
    """Return the exit code that follows from the signal received so far, None if none."""
    return None if _received is None else 128 + _received


def is_leaving() -> bool:
    """Return True if the run is stopped here in order to go on without this terminal."""
    return _leave and _received is not None


def name() -> str:
    """Return what the user calls the signal received; empty if none was."""
    if _received is None:
        return ""
    return "Ctrl-C" if _received == signal.SIGINT else signal.Signals(_received).name


def stop(number: int) -> bool:
    """End the block that `handled` guards as a signal would, from any thread.

    Parameters
    ----------
    number : int
        The signal that it is taken for.

    Returns
    -------
    bool
        False if there is no such block.
    """
    global _instead
    if not _handling:
        return False
    if _received is None and _instead is None:
        _instead = number
        _wake_main()
    return True


@contextlib.contextmanager
def asking(question: Question) -> Iterator[None]:
    """Ask what Ctrl-C is to do within the block, which goes on meanwhile.

    Parameters
    ----------
    question : callable
        Called in a thread with a socket that can be read when another signal has come, or the
        block of `handled` has ended: the question is over then.
    """
    global _question
    _question = question
    try:
        yield
    finally:
        with _question_lock:
            _question = None


@contextlib.contextmanager
def handled(last_resort: Callable[[], object]) -> Iterator[None]:
    """Raise `Stopped` in the main thread when a signal asks the process to end.

    Parameters
    ----------
    last_resort : callable
        Called in another thread if the block has not ended `GRACE_SECONDS` after the
        signal, or at once at a second signal; then the process ends.
    """
    global _received, _handling, _instead, _leave, _again, _own
    _received = _instead = None
    _leave = _again = False
    _own = 0
    # Whoever began us with a signal ignored, as nohup does, wants it ignored; but a shell ignores
    # Ctrl-C for what it runs in the background, where "kill -INT" still means this process.
    nohup = _HANGUP is not None and signal.getsignal(_HANGUP) == signal.SIG_IGN
    ours = [n for n in forks.SIGNALS if not (nohup and n == _HANGUP)]
    before = {number: signal.signal(number, _raise) for number in ours}
    for number, handler in before.items():
        forks.keep_from_children(number, _raise, handler)
    # The interpreter writes a signal's number here at once, whatever the main thread does.
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    old_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    forks.keep_wakeup_from_children(writer.fileno())
    watcher = threading.Thread(
        target=_watch, args=(reader, ours, last_resort), name="parallelflow-signals", daemon=True
    )
    watcher.start()
    _handling = True
    try:
        with SwallowedExceptions(_is_stopped, _raise_again_later):
            yield
    finally:
        with _question_lock:
            _handling = False
        signal.set_wakeup_fd(old_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
            forks.release(number, _raise)
        forks.release_wakeup(writer.fileno())
        writer.close()  # the watcher reads the end and leaves
        watcher.join()
        reader.close()


def _raise(number: int, frame: FrameType | None) -> None:
    global _received, _again
    if number == signal.SIGINT and _question is not None:
        return  # the watcher asks
    if _received is None or _again:
        _again = False
        _received = _received or _instead or number
        raise Stopped(_received)


def _is_stopped(swallowed: sys.UnraisableHookArgs) -> bool:
    return isinstance(swallowed.exc_value, Stopped)


def _raise_again_later() -> None:
    """Raise once more what Python has swallowed, or it would go no further.

    In a thread, since it would be raised here. Other ways to start one take locks, which what was
    interrupted may hold.
    """
    with contextlib.suppress(RuntimeError):
        _thread.start_new_thread(_raise_again, ())


def _raise_again() -> None:
    global _again, _own
    time.sleep(AGAIN_SECONDS)
    with _question_lock:
        if _handling:
            _again = True
            _own += 1
            _wake_main()


def _watch(
    reader: socket.socket, ours: Sequence[signal.Signals], last_resort: Callable[[], object]
) -> None:
    def next_signal() -> int | None:
        """Return the next signal of ours, None when the block has ended."""
        global _own
        while received := reader.recv(1):
            if _own and received[0] == signal.SIGTERM:
                with _question_lock:
                    _own -= 1
            elif received[0] in ours and not (_leave and received[0] == _HANGUP):
                return received[0]
        return None

    first = next_signal()
    while first == signal.SIGINT and _received is None:
        answer = Answer.STOP if _question is None else _question(reader)
        if answer is Answer.GO_ON:
            first = next_signal()
            continue
        if answer is Answer.INTERRUPTED:
            first = next_signal()
            if first != signal.SIGINT:
                break
        _stop_main(answer is Answer.LEAVE)
        break
    if first is None:
        return
    reader.settimeout(GRACE_SECONDS)
    with contextlib.suppress(TimeoutError):
        if next_signal() is None:
            return
    helper = threading.Thread(target=_quietly, args=(last_resort,), daemon=True)
    helper.start()
    helper.join(LAST_RESORT_SECONDS)
    _quietly(sys.stdout.flush)
    _quietly(lambda: print("parallelflow: stopped without waiting any longer", file=sys.stderr))
    os._exit(exit_code() or 128 + first)


def _stop_main(leave: bool) -> None:
    """Raise in the main thread what Ctrl-C does there, unless its block has ended."""
    global _instead, _leave, _own
    with _question_lock:
        if _handling:
            _leave = leave and _question is not None  # a run that has just ended is not left
            _instead = signal.SIGINT
            _own += 1
            _wake_main()


def _wake_main() -> None:
    """Send the main thread a signal that ends what it waits for, whatever thread calls this."""
    if hasattr(signal, "pthread_kill"):
        # The system may give a signal of the process to another thread than a main one that sleeps.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)


def _quietly(function: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        function()
