"""Why a controller has ended: a part of it has failed, or whoever had started it has ended."""

from __future__ import annotations

import os
from pathlib import Path

from parallelflow.system.waiting import wait_until

from ..system.processes import ProcessRecord
from ..system.records import SessionRecord, read_all
from .controller_processes import ControllerProcesses

__all__ = ["ControllerEnd"]

# The processes of a controller that is stopped end one after the other, within half a second; one
# that is killed with its session is stopped by the guard. Whichever is seen first is not the cause.
END_SECONDS = 1.5


class ControllerEnd:
    """Finds out why a controller has ended; made while it runs, when its record is there.

    Parameters
    ----------
    folder : Path
        The profile's folder.
    processes : ControllerProcesses
        The controller's.
    """

    def __init__(self, folder: Path, processes: ControllerProcesses) -> None:
        self._processes = processes
        self._starter = _starter(folder, processes.main)

    def reason(self, fault: str) -> str:
        """Return why it has ended, as far as that can be known; within `END_SECONDS`.

        Parameters
        ----------
        fault : str
            Which of its processes was found to have ended, or to be stopped; empty if none was.
        """
        main = self._processes.main
        if main is None or self._is_own():
            return fault
        if not wait_until(lambda: not self._processes.running(), END_SECONDS):
            return fault  # the others go on: that one has failed
        starter = self._starter
        if starter is None or starter.keep:
            return f"its controller (process {main.pid}) has ended"
        ended = "has stopped it" if starter.session.alive() else "has ended"
        return f"the session that had started it (process {starter.session.pid}) {ended}"

    def _is_own(self) -> bool:
        """Return True if this process has started it, and so stops what is left of it."""
        starter = self._starter
        return starter is not None and not starter.keep and starter.session.pid == os.getpid()


def _starter(folder: Path, main: ProcessRecord | None) -> SessionRecord | None:
    """Return the record of the session that has started a controller, None if none has."""
    if main is None:
        return None
    for record in read_all(folder):
        if record.here and any(main.is_same(process) for process in record.processes):
            return record
    return None
