"""The batch jobs of a start: where they stand, and whether they can still bring engines."""

from __future__ import annotations

from collections.abc import Sequence

from .system.batch_systems import JobState
from .system.job_watch import JobWatch
from .system.jobs import JobRecord

__all__ = ["StartedJobs"]


class StartedJobs:
    """The jobs that one start has submitted.

    Parameters
    ----------
    jobs : sequence of JobRecord
        The jobs; none for launchers that are no batch systems.
    """

    def __init__(self, jobs: Sequence[JobRecord]) -> None:
        self._jobs = [job for job in jobs if job.system]
        self._watch = JobWatch()

    def lines(self) -> tuple[str, ...]:
        """Return what the user reads of each, such as ``job 17 (slurm) queued: Resources``."""
        states = self._watch.states(self._jobs)
        return tuple(
            f"{job.text} {states[job].text}" if job in states else f"{job.text} submitted"
            for job in self._jobs
        )

    def trouble(self) -> str:
        """Return why no more engines come of them, empty while some may."""
        states = self._watch.states(self._jobs)
        if not self._jobs or len(states) < len(self._jobs):
            return ""
        lost = (JobState.ENDED, JobState.BLOCKED)
        if any(status.state not in lost for status in states.values()):
            return ""
        return "; ".join(f"{job.text} {status.text}" for job, status in states.items())
