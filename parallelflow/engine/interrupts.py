"""SIGINT on an engine: it ends an element, and nothing of what the engine does around it.

ipykernel has SIGINT raise KeyboardInterrupt wherever it hits a request that is being handled. One
that hits after the element has ended, while the reply is made and sent, loses the reply: the
client would wait for it for ever, or take the engine for one that hangs.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from .place import is_engine

__all__ = ["Interrupts"]


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
    """

    def __init__(self) -> None:
        self.hit = False
        self.pending = False
        self.inside = False
        self._ours = False

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        self._ours = main and is_engine()
        if self._ours:
            signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            # Until the reply has been sent; then ipykernel (`post_handler_hook`) has its own back.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Have SIGINT raise KeyboardInterrupt in this block."""
        try:
            self.inside = True
            yield
        finally:
            self.inside = False

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.inside:
            self.hit = True
            raise KeyboardInterrupt
        self.pending = True
