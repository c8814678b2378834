"""Signals on an engine: what an element, its children and what the engine does around it see.

ipykernel has SIGINT raise KeyboardInterrupt wherever it hits a request that is being handled. One
that hits after the element has ended, while the reply is made and sent, loses the reply: the
client would wait for it indefinitely, or take the engine for one that hangs.

One that hits a `__del__`, or a callback of a weak reference or of Python's search for garbage, ends
that alone: Python prints it and goes on. Here it is not printed, and hits the element once more.

Children that an element forks have Python's own handlers, not ours or ipyparallel's.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from parallelflow.system import forks
from parallelflow.system.swallowed_exceptions import SwallowedExceptions

from .place import is_engine

__all__ = ["Interrupts", "ignore"]

# When what Python has not let end is interrupted once more: what it was in has been left by then.
AGAIN_SECONDS = 0.005


class Interrupts:
    """While it is entered, SIGINT raises inside `allowed` only.

    Attributes
    ----------
    inside : bool
        Whether it raises now.
    hit : bool
        Whether one has come inside, since this was last set to False. What was interrupted may
        have made another exception of it, as VisTrails' modules do.
    pending : bool
        Whether one has come outside: nothing more should be begun.
    element : int
        Which of the elements it is, if they have a time limit.
    target : int or None
        The element that is to be interrupted at its limit, and no other one.
    timed_out : bool
        Whether the element was interrupted at its limit.
    """

    def __init__(self) -> None:
        self.hit = False
        self.pending = False
        self.inside = False
        self.element = 0
        self.target: int | None = None
        self.timed_out = False
        self._ours = False
        self._swallowed = SwallowedExceptions(_is_from_signal, _raise_again)
        self._again: list[threading.Event] = []
        self._over = threading.Event()

    def __enter__(self) -> Interrupts:
        global _current
        main = threading.current_thread() is threading.main_thread()
        self._ours = main and is_engine()
        if self._ours:
            _keep_handlers_from_children()
            _current = self
            self._swallowed.__enter__()
            signal.signal(signal.SIGINT, _take)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._over.set()
            for ended in self._again:
                ended.wait()  # or it would interrupt what runs next
            self._swallowed.__exit__()
            # Until the reply has been sent; then ipykernel (`post_handler_hook`) has its own back.
            # A handler, and not SIG_IGN, which programs would inherit that a thread starts.
            signal.signal(signal.SIGINT, ignore)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let SIGINT raise KeyboardInterrupt in this block."""
        try:
            self.inside = True
            yield
        finally:
            self.inside = False

    def raise_again(self) -> None:
        """Interrupt the element once more when the caller has returned, and begin no other one."""
        if self.timed_out:
            return  # its limit does so
        inside, self.inside = self.inside, False
        self.pending = True
        ended = threading.Event()
        # The other ways to start a thread take locks, which what was interrupted may hold.
        with contextlib.suppress(RuntimeError):
            _thread.start_new_thread(self._send_again, (threading.get_ident(), ended))
            self._again.append(ended)
        self.inside = inside

    def _send_again(self, thread: int, ended: threading.Event) -> None:
        while not self._over.wait(AGAIN_SECONDS):
            if self.inside:
                signal.pthread_kill(thread, signal.SIGINT)
                break
        ended.set()


def _raise_again() -> None:
    if _current is not None:
        _current.raise_again()


def _is_from_signal(swallowed: sys.UnraisableHookArgs) -> bool:
    if _current is None:
        return False
    trace = swallowed.exc_traceback
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is _take.__code__


_current: Interrupts | None = None
_kept = False


def _take(number: int, frame: FrameType | None) -> None:
    interrupts = _current
    if interrupts is None:
        return
    target, interrupts.target = interrupts.target, None
    if target is not None:
        if not interrupts.inside or target != interrupts.element:
            return  # it has ended meanwhile
        interrupts.timed_out = True
    if interrupts.inside:
        interrupts.hit = True
        raise KeyboardInterrupt
    interrupts.pending = True


def ignore(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""


def _keep_handlers_from_children() -> None:
    """See to what children get, before the first element runs here."""
    global _kept
    if _kept:
        return
    _kept = True
    forks.keep_what_is_set(_is_set_by_python)
    for handler in (_take, ignore):
        forks.keep_from_children(signal.SIGINT, handler, signal.default_int_handler)


def _is_set_by_python(handler: Any) -> bool:
    return callable(handler) and handler is not signal.default_int_handler
