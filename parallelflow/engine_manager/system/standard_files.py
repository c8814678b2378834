"""File descriptors 0, 1 and 2 of our processes: always open, so that nothing else gets them."""

from __future__ import annotations

import os

__all__ = ["open_standard_files"]


def open_standard_files() -> None:
    """Open the null device as each of standard input, output and error that is closed.

    A job of cron or a service may be started with them closed (``>&-``). The next file or socket
    that such a process opens would get the descriptor, and whatever is printed would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
            continue
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
        if null != number:  # the lowest free one, unless another thread was faster
            os.dup2(null, number)
            os.close(null)
        os.set_inheritable(number, True)
