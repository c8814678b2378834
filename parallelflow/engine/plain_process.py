"""An element's process as any other: without the event loop and the shell that an engine is."""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from .event_loops import no_event_loop

__all__ = ["engine_shell", "no_shell", "plain_process"]

# By these, libraries take a process for a notebook or a terminal that a person sits at.
BUILTINS = ("__IPYTHON__", "display", "execfile", "get_ipython", "runfile")
PROMPTS = ("ps1", "ps2", "ps3")
MISSING = object()

_hidden: Any = None


def engine_shell() -> Any:
    """Return IPython's shell of this process, also where it is hidden; None if there is none."""
    return _hidden if _hidden is not None else _shown_shell()


@contextlib.contextmanager
def plain_process() -> Iterator[None]:
    """Hide the engine's event loop and IPython's shell in this thread and block."""
    with no_event_loop(), no_shell():
        yield


@contextlib.contextmanager
def no_shell() -> Iterator[None]:
    """Hide IPython's shell, if this process has one, from what runs in this block."""
    global _hidden
    shell = _shown_shell()
    classes: tuple[Any, ...] = type(shell).__mro__
    holders = [c for c in classes if shell is not None and vars(c).get("_instance") is shell]
    if not holders:
        yield
        return
    before, _hidden = _hidden, shell
    kept = [(vars(builtins), name, vars(builtins).pop(name, MISSING)) for name in BUILTINS]
    kept += [(vars(sys), name, vars(sys).pop(name, MISSING)) for name in PROMPTS]
    hooks = sys.displayhook, sys.excepthook
    sys.displayhook, sys.excepthook = sys.__displayhook__, sys.__excepthook__
    for each in holders:
        each._instance = None
    try:
        yield
    finally:
        _hidden = before
        for each in holders:
            each._instance = shell
        sys.displayhook, sys.excepthook = hooks
        for names, name, value in kept:
            if value is MISSING:
                names.pop(name, None)
            else:
                names[name] = value


def _shown_shell() -> Any:
    """Return the shell that whoever asks IPython gets; traitlets keeps it on its classes."""
    module = sys.modules.get("IPython.core.interactiveshell")
    return getattr(getattr(module, "InteractiveShell", None), "_instance", None)
