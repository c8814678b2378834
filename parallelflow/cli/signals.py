"""Ctrl-C, SIGTERM and a closed terminal: an orderly end within a bounded time.

The first signal raises `Stopped` in the main thread, so that whatever runs cleans up
as it would after any exception. A thread watches: if the main thread has not ended
after a while (a long call into C, or workflow code that swallows the exception), it
stops the engines and ends the process itself. Children that a workflow forks have none of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from parallelflow.system import forks

__all__ = ["Stopped", "exit_code", "handled", "name", "stop"]

# An interrupted Map ends its engines' work in a few tenths of a second and stops the
# engines in 1.5 s; a busy machine may take longer. After this the process is ended hard.
GRACE_SECONDS = 10.0

# Stopping engines by force takes as long as an orderly stop at most; it may also wait for
# a lock of the main thread that never comes free.
LAST_RESORT_SECONDS = 10.0

# SIGHUP (the terminal was closed) does not exist on every system.
_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


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


_received: int | None = None
# Whether a block handles signals, and the one that `stop` stands for.
_handling = False
_instead: int | None = None


def exit_code() -> int | None:
    """Return the exit code that follows from the signal received so far, None if none."""
    return None if _received is None else 128 + _received


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
        os.kill(os.getpid(), signal.SIGTERM)
    return True


@contextlib.contextmanager
def handled(last_resort: Callable[[], object]) -> Iterator[None]:
    """Raise `Stopped` in the main thread when a signal asks the process to end.

    Parameters
    ----------
    last_resort : callable
        Called in another thread if the block has not ended `GRACE_SECONDS` after the
        signal, or at once at a second signal; then the process ends.
    """
    global _received, _handling, _instead
    _received = _instead = None
    # Whoever began us with a signal ignored, as nohup does, wants it ignored; but a shell ignores
    # Ctrl-C for what it runs in the background, where "kill -INT" still means this process.
    nohup = hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    ours = [n for n in _SIGNALS if not (nohup and n == signal.SIGHUP)]
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
        yield
    finally:
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
    global _received
    if _received is None:
        _received = _instead or number
        raise Stopped(_received)


def _watch(
    reader: socket.socket, ours: Sequence[signal.Signals], last_resort: Callable[[], object]
) -> None:
    def next_signal() -> int | None:
        """Return the next signal of ours, None when the block has ended."""
        while received := reader.recv(1):
            if received[0] in ours:
                return received[0]
        return None

    first = next_signal()
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


def _quietly(function: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        function()
