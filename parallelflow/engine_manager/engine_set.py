"""What one call of a launcher has started: processes here, jobs elsewhere, their logs."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

from ipyparallel.cluster import launcher as ipp_launcher

from .processes import ProcessRecord, record_of
from .records import JobRecord

__all__ = ["EngineSet", "log_names", "log_of", "make_private"]

logger = logging.getLogger(__name__)


class EngineSet:
    """Engines that one call of a launcher started.

    Attributes
    ----------
    launchers : list
        ipyparallel's launchers, one for each process or job.
    processes : list of ProcessRecord
        Their processes on this machine: the engines themselves, or ``mpiexec``.
    jobs : list of JobRecord
        What runs elsewhere.
    """

    def __init__(self, name: str, launcher: Any) -> None:
        self.launchers = list((getattr(launcher, "launchers", None) or {"0": launcher}).values())
        self.processes: list[ProcessRecord] = []
        self.jobs: list[JobRecord] = []
        for one in self.launchers:
            self._take(name, one)

    def _take(self, name: str, one: Any) -> None:
        now = time.time()
        if isinstance(one, ipp_launcher.SSHLauncher):
            # Its pid is one of the other host's, which may give it to another process.
            end = f"if ps -o args= -p {one.pid} | grep -q ipyparallel; then kill {one.pid}; fi"
            kill = [*one.ssh_cmd, *one.ssh_args, one.location, end]
            text = f"process {one.pid} on {one.location} (ssh)"
            self.jobs.append(JobRecord(text, tuple(kill), now, one.location))
        elif isinstance(one, ipp_launcher.BatchSystemLauncher):
            stop = (*one.delete_command, one.job_id)
            self.jobs.append(JobRecord(f"job {one.job_id} ({name})", stop, now, name))
        else:
            kind = "engine" if isinstance(one, ipp_launcher.LocalEngineLauncher) else "launcher"
            record = record_of(getattr(one, "pid", -1), kind)
            if record is not None:
                self.processes.append(record)

    def logs(self) -> list[str]:
        """Return the names of the log files on this machine, relative to the profile."""
        return [name for one in self.launchers for name in log_names(one)]

    def failed(self) -> list[Any]:
        """Return the launchers whose process has ended."""
        return [one for one in self.launchers if one.poll() is not None]

    def log(self) -> str:
        """Return the logs of those that have ended, else of all, one after the other."""
        return "\n\n".join(filter(None, map(log_of, self.failed() or self.launchers)))


def log_of(launcher: Any, remove: bool = False) -> str:
    """Return a launcher's log, empty if there is none."""
    try:
        return str(launcher.get_output(remove=remove) or "")
    except Exception as e:  # a remote launcher may have to fetch it
        logger.debug("no log of %s: %r", launcher, e)
        return ""


def log_names(launcher: Any) -> list[str]:
    """Return the name of a launcher's log file, relative to the profile's folder."""
    path = getattr(launcher, "output_file", "")
    return [f"log/{Path(path).name}"] if path else []


def make_private(launcher: Any) -> None:
    """Make a launcher's log readable by its owner only: it may quote data."""
    with contextlib.suppress(OSError, TypeError):
        Path(getattr(launcher, "output_file", None) or "").chmod(0o600)
