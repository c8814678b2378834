"""The end of a child process that an element has forked and that has come back from the element."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from typing import NoReturn

__all__ = ["end_child"]


def end_child(error: BaseException | None) -> NoReturn:
    """End this process as Python ends a program, but for what its parent has to clean up.

    It must not go on with the engine's work: two processes would answer for one.

    Parameters
    ----------
    error : BaseException or None
        What the element has raised in it; None if it has returned.
    """
    code = 0
    if isinstance(error, SystemExit):
        if isinstance(error.code, int):
            code = error.code
        elif error.code is not None:
            code = 1
            with contextlib.suppress(Exception):
                sys.stderr.write(f"{error.code}\n")
    elif error is not None:
        code = 1
        with contextlib.suppress(Exception):
            traceback.print_exception(type(error), error, error.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)
