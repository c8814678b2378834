"""What the batch systems say of jobs, asked in the background: their commands may take long."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence

from .batch_systems import BATCH_SYSTEMS, JobState, JobStatus
from .jobs import JobRecord

__all__ = ["JobWatch", "ask_jobs"]

# A list command answers in some hundredths of a second; a batch system that is busy in seconds.
ASK_SECONDS = 20.0
# Between two questions: a job that has failed is to be told within 10 s, and queues are shared.
PAUSE_SECONDS = 3.0

logger = logging.getLogger(__name__)


def ask_jobs(jobs: Iterable[JobRecord], seconds: float = ASK_SECONDS) -> dict[JobRecord, JobStatus]:
    """Ask the batch systems for the states of jobs.

    Parameters
    ----------
    jobs : iterable of JobRecord
        The jobs; other records are left out.
    seconds : float
        How long each system's command may take.

    Returns
    -------
    dict of JobRecord to JobStatus
        Without those whose system does not answer, or is not known here.
    """
    by_system: dict[str, list[JobRecord]] = {}
    for job in jobs:
        if job.system in BATCH_SYSTEMS:
            by_system.setdefault(job.system, []).append(job)
    found: dict[JobRecord, JobStatus] = {}
    for name, records in by_system.items():
        states = _ask(name, [record.id for record in records], seconds)
        found |= {record: states[record.id] for record in records if record.id in states}
    return found


def _ask(name: str, ids: Sequence[str], seconds: float) -> dict[str, JobStatus]:
    system = BATCH_SYSTEMS[name]
    command = system.listing(ids)
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            text=True,
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as e:
        logger.debug("%s cannot be asked: %r", command[0], e)
        return {}
    return system.read(ids, ended.stdout, ended.stderr, ended.returncode)


class JobWatch:
    """The states of jobs, as they were told last; no call waits.

    Parameters
    ----------
    pause : float
        Seconds between two questions.
    """

    def __init__(self, pause: float = PAUSE_SECONDS) -> None:
        self._pause = pause
        self._known: dict[JobRecord, JobStatus] = {}
        self._told_at: dict[JobRecord, float] = {}
        self._asked_at = float("-inf")
        self._thread: threading.Thread | None = None

    def states(
        self, jobs: Iterable[JobRecord], since: float = float("-inf")
    ) -> dict[JobRecord, JobStatus]:
        """Return what is known of jobs, and ask again in a thread if it is old.

        Parameters
        ----------
        jobs : iterable of JobRecord
            The jobs; one that has ended is not asked for any more.
        since : float
            What was asked for before this moment of the monotonic clock is left out.
        """
        wanted = [job for job in jobs if job.system]
        known = dict(self._known)
        open_jobs = [
            job for job in wanted if job not in known or known[job].state is not JobState.ENDED
        ]
        now = time.monotonic()
        is_asking = self._thread is not None and self._thread.is_alive()
        unknown = any(job not in known for job in wanted)
        due = now - self._asked_at >= (min(self._pause, 1.0) if unknown else self._pause)
        if open_jobs and not is_asking and due:
            self._asked_at = now
            self._thread = threading.Thread(
                target=self._ask, args=(open_jobs,), name="parallelflow-jobs", daemon=True
            )
            self._thread.start()
        return {job: known[job] for job in wanted if job in known and self._told_at[job] >= since}

    def told_at(self, job: JobRecord) -> float:
        """Return when the state of a job was asked for that is known, on the monotonic clock."""
        return self._told_at.get(job, 0.0)

    def _ask(self, jobs: list[JobRecord]) -> None:
        began = time.monotonic()
        try:
            found = ask_jobs(jobs)
            self._told_at |= dict.fromkeys(found, began)
            self._known = {**self._known, **found}
        except Exception:
            logger.exception("the batch system's answer could not be read")
