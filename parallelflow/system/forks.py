"""What forked children do not inherit: the signal handlers of the process that they come from.

A handler that ends this process in good order is wrong in its children: they would not end by
SIGTERM, as `multiprocessing.Pool` has its workers end, and a signal that is sent to a child would
be written to the wakeup descriptor, which child and parent share, and end the parent. So the
children get back what was in place before. Handlers that a workflow sets itself are inherited, as
in any process. Programs (`subprocess`, the contexts ``spawn`` and ``forkserver``) inherit no
handlers: the system resets them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

__all__ = [
    "SIGNALS",
    "default_of",
    "keep_from_children",
    "keep_wakeup_from_children",
    "keep_what_is_set",
    "release",
    "release_wakeup",
]

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""The signals that ask a process to end."""

Handler = Any

# By signal: (handler that children must not have, what they get for it), the newest last.
_handlers: dict[int, list[tuple[Handler, Handler]]] = {}
_wakeups: set[int] = set()
_registered = False
_masks = threading.local()


def keep_from_children(number: int, handler: Handler, instead: Handler) -> None:
    """Register the handler that forked children get in the place of one of this process.

    A child of a child gets what its own process has.

    Parameters
    ----------
    number : int
        The signal.
    handler : object
        What `signal.getsignal` gives for it in this process.
    instead : object
        What children get; None, for a handler that was not set by Python, is the default.
    """
    global _registered
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(
            before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
        )
    known = _handlers.setdefault(number, [])
    known[:] = [pair for pair in known if pair[0] != handler]
    known.append((handler, default_of(number) if instead is None else instead))


def release(number: int, handler: Handler) -> None:
    """Forget a handler, which this process does not use any more."""
    known = _handlers.get(number, [])
    known[:] = [pair for pair in known if pair[0] != handler]


def default_of(number: int) -> Handler:
    """Return the handler that Python begins with."""
    return signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL


def keep_wakeup_from_children(descriptor: int) -> None:
    """Have forked children write nothing to a wakeup descriptor (`signal.set_wakeup_fd`)."""
    _wakeups.add(descriptor)


def release_wakeup(descriptor: int) -> None:
    """Forget a wakeup descriptor, which is being closed."""
    _wakeups.discard(descriptor)


def keep_what_is_set(is_foreign: Callable[[Handler], bool]) -> None:
    """Keep from children what is in place now: others' handlers, and their wakeup descriptor.

    For processes that another library has set up, before anything of the user's runs in them.

    Parameters
    ----------
    is_foreign : callable
        Whether a handler is one of those.
    """
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if is_foreign(handler):
            keep_from_children(number, handler, default_of(number))
    if threading.current_thread() is threading.main_thread():
        descriptor = signal.set_wakeup_fd(-1)
        if descriptor >= 0:
            signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
            _wakeups.add(descriptor)


def _before() -> None:
    # Until the child has its own handlers, a signal for it would be this process' in both.
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _after_in_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _after_in_child() -> None:
    try:
        descriptor = signal.set_wakeup_fd(-1)
        if descriptor >= 0 and descriptor not in _wakeups:
            signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
        for number, known in _handlers.items():
            # What children get for one may be another of them.
            for handler, instead in reversed(known):
                if signal.getsignal(number) == handler:
                    signal.signal(number, instead)
        _handlers.clear()
        _wakeups.clear()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)
