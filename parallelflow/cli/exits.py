"""The command's exit codes."""

from __future__ import annotations

import enum

__all__ = ["Exit"]


class Exit(enum.IntEnum):
    """What the command tells the shell.

    A command ended by a signal returns 128 plus the signal's number, as shells count:
    130 for Ctrl-C (SIGINT), 143 for SIGTERM, 129 for a closed terminal (SIGHUP).
    """

    OK = 0
    FAILED = 1  # the workflow ran and a module failed, or the engines could not be started
    MISTAKE = 2  # the command, the file or this machine is not as it has to be; nothing ran
