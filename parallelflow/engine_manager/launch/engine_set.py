"""What one call of a launcher has started: processes here, jobs elsewhere, their logs."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

from ipyparallel.cluster import launcher as ipp_launcher

from parallelflow.system.safe_files import read_text
from parallelflow.wording import count

from ..system.jobs import JobRecord, end_all
from ..system.process_trees import stop_trees
from ..system.processes import ProcessRecord, record_of
from .ssh_hosts import kill_command
from .ssh_watch import EndedEngine, SshWatch

__all__ = ["EngineSet", "log_names", "log_of", "make_private"]

# Engines of one start mostly fail for one reason: logs on this machine are read in a
# millisecond, one of another host takes seconds.
MAX_LOGS = 32
MAX_LOGS_ELSEWHERE = 3

logger = logging.getLogger(__name__)


class EngineSet:
    """Engines that one call of a launcher started.

    Parameters
    ----------
    kind : str
        ipyparallel's short name of the launcher.
    launcher : Launcher
        ipyparallel's.
    name : str
        By which its engines know it: see `ENGINE_SET`.

    Attributes
    ----------
    launchers : list
        ipyparallel's launchers, one for each process or job.
    processes : list of ProcessRecord
        Their processes on this machine: the engines themselves, or ``mpiexec``.
    jobs : list of JobRecord
        What runs elsewhere.
    queued : bool
        Whether a batch system starts them when it has room.
    programs : dict of int to str
        What the processes are called, by their pids, that are no engines themselves.
    keeps_logs : bool
        Whether the jobs' logs stay when all has been stopped: they say why a start has failed.
    """

    def __init__(self, kind: str, launcher: Any, name: str = "") -> None:
        self.name = name
        self.launchers = list((getattr(launcher, "launchers", None) or {"0": launcher}).values())
        self.queued = isinstance(launcher, ipp_launcher.BatchSystemLauncher)
        self.keeps_logs = False
        self.processes: list[ProcessRecord] = []
        self.programs: dict[int, str] = {}
        #: What had ended before it could be recorded: a program that refuses does it in no time.
        self._ended_at_once: list[str] = []
        self.jobs: list[JobRecord] = []
        for one in self.launchers:
            self._take(kind, one)
        hosts: dict[str, list[Any]] = {}
        for one in self.launchers:
            if isinstance(one, ipp_launcher.SSHLauncher) and getattr(one, "pid", -1) > 0:
                hosts.setdefault(one.location, []).append(one)
        self.jobs += [_of_host(location, engines) for location, engines in hosts.items()]
        self._watch = SshWatch([engine for engines in hosts.values() for engine in engines])

    def _take(self, launcher: str, one: Any) -> None:
        now, pid = time.time(), getattr(one, "pid", -1)
        if isinstance(one, ipp_launcher.BatchSystemLauncher):
            if one.job_id:
                stop = (*one.delete_command, one.job_id)
                text = f"job {one.job_id} ({launcher})"
                self.jobs.append(JobRecord("job", text, stop, now, launcher))
        elif pid > 0 and not isinstance(one, ipp_launcher.SSHLauncher):
            kind = "engine" if isinstance(one, ipp_launcher.LocalEngineLauncher) else "launcher"
            record = record_of(pid, kind)
            program = Path(str(one.args[0])).name
            if record is None:
                self._ended_at_once.append(program if kind == "launcher" else "an engine")
                return
            self.processes.append(record)
            if kind == "launcher":
                self.programs[pid] = program

    def ended_programs(self) -> list[str]:
        """Return the names of those that have started engines and have ended, such as mpiexec.

        Also of what has ended before it was seen.
        """
        started = [process for process in self.processes if process.pid in self.programs]
        ended = [self.programs[process.pid] for process in started if not process.alive()]
        return [*self._ended_at_once, *ended]

    def ended_elsewhere(self) -> list[EndedEngine]:
        """Return the engines of other hosts that are known to have ended; returns at once."""
        return self._watch.ended()

    def end_watch(self) -> None:
        """Look no more which engines of other hosts have ended: the cluster tells it now."""
        self._watch.close()

    def stop(self) -> None:
        """Stop all, whether they were recorded or not."""
        for line in end_all(self.jobs)[1]:
            logger.warning("%s", line)
        stop_trees(self.processes)

    def logs(self) -> list[str]:
        """Return the names of the files that are to go with it, relative to the profile."""
        names = [name for one in self.launchers for name in log_names(one)]
        kept = {f"log/{path.name}" for path in self.job_logs()} if self.keeps_logs else set()
        return [name for name in names if name not in kept]

    def job_logs(self) -> list[Path]:
        """Return the logs of batch jobs."""
        batch = [x for x in self.launchers if isinstance(x, ipp_launcher.BatchSystemLauncher)]
        return [Path(one.output_file) for one in batch if one.output_file]

    def failed(self) -> list[Any]:
        """Return the launchers whose process has ended."""
        return [one for one in self.launchers if _has_ended(one)]

    def log(self) -> str:
        """Return the logs of those that have ended, else of all, one after the other."""
        wanted = self.failed() or self.launchers
        elsewhere = any(isinstance(one, ipp_launcher.SSHLauncher) for one in wanted)
        some = wanted[: MAX_LOGS_ELSEWHERE if elsewhere else MAX_LOGS]
        fetched = {(ended.host, ended.pid): ended.log for ended in self._watch.ended()}
        logs = [
            fetched.get((getattr(one, "hostname", ""), getattr(one, "pid", -1))) or log_of(one)
            for one in some
        ]
        logs = [log for log in logs if log]
        if len(wanted) > len(some):
            logs.insert(0, f"The logs of {len(some)} of {len(wanted)} engines:")
        return "\n\n".join(logs)


def _of_host(location: str, engines: list[Any]) -> JobRecord:
    """Return the record of one host's engines: one connection ends them all."""
    text = f"{count(len(engines), 'engine')} on {location} (ssh)"
    stop = kill_command(engines[0], [engine.pid for engine in engines])
    return JobRecord("engine", text, stop, time.time(), location)


def _has_ended(launcher: Any) -> bool:
    # ipyparallel forgets the process of a launcher that has ended, and then fails to look at it.
    try:
        return launcher.poll() is not None
    except AttributeError:
        return True


def log_of(launcher: Any) -> str:
    """Return a launcher's log, empty if there is none."""
    try:
        if isinstance(launcher, ipp_launcher.BatchSystemLauncher):
            return read_text(Path(launcher.output_file))  # ipyparallel would remove it
        return str(launcher.get_output() or "")
    except Exception as e:  # a remote launcher may have to fetch it
        logger.debug("no log of %s: %r", launcher, e)
        return ""


def log_names(launcher: Any) -> list[str]:
    """Return the names of a launcher's log and job script, relative to the profile's folder."""
    paths = [Path(path) for path in (getattr(launcher, "output_file", ""),) if path]
    script = Path(getattr(launcher, "batch_file", ""))
    if script.parent.name == "log":  # a profile may name another place for it
        paths.append(script)
    return [f"log/{path.name}" for path in paths]


def make_private(launcher: Any) -> None:
    """Make a launcher's log readable by its owner only: it may quote data."""
    log = getattr(launcher, "output_file", None)
    if log:  # no path at all would be the working directory
        with contextlib.suppress(OSError, TypeError):
            Path(log).chmod(0o600)
