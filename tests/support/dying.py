"""Elements and functions that die, at a chosen stage and in a chosen way."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

WAYS = ["exception", "sys.exit", "os._exit", "SIGSEGV", "KeyboardInterrupt", "SIGKILL"]
STAGES = ["pickle", "input", "setup", "run", "result"]
LETHAL = {"os._exit", "SIGSEGV", "SIGKILL"}


def die(way: str) -> None:
    """Die in one of the `WAYS`."""
    if way == "exception":
        raise ValueError("on purpose")
    if way == "sys.exit":
        sys.exit(3)
    if way == "os._exit":
        os._exit(4)
    if way == "KeyboardInterrupt":
        raise KeyboardInterrupt
    # A handler of pytest's faulthandler must not write a report of this one.
    number = getattr(signal, way)
    if way == "SIGSEGV":
        import faulthandler

        faulthandler.disable()
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _revive(stage: str, way: str) -> Any:
    """Unpickle a `Deadly`: dies on the engine if that is its stage."""
    if stage == "input":
        die(way)
    return Deadly(stage, way)


class Deadly:
    """An element, or a result, that dies where it is told to."""

    def __init__(self, stage: str, way: str) -> None:
        self.stage = stage
        self.way = way

    def __reduce__(self) -> Any:
        if self.stage == "pickle" or self.stage == "result of an engine":
            die(self.way)
        return _revive, (self.stage, self.way)

    def __repr__(self) -> str:
        return f"Deadly({self.stage}, {self.way})"


def touch(element: Any) -> Any:
    """Return ten times an element; die of a deadly one, or return one that cannot be sent."""
    if not isinstance(element, Deadly):
        return element * 10
    if element.stage == "run":
        die(element.way)
    if element.stage == "result":
        return Deadly("result of an engine", element.way)
    return None


def make(stage: str, way: str) -> Callable[[int, Any], Any]:
    """Make the function on an engine: a maker for `parallelflow.work.run.Run`."""
    if stage == "setup":
        die(way)
    return lambda index, element: (touch(element), None)
