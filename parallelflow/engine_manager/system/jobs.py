"""Batch jobs, and processes on other hosts: what they are called, and how they are ended."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .processes import moment_of

__all__ = ["JobRecord", "end_all"]

# A batch system's delete command answers within a second or two; one that hangs must not
# keep the stopping of everything else.
JOB_SECONDS = 20.0


@dataclass(frozen=True)
class JobRecord:
    """Engines, or a controller, that a launcher started elsewhere: a job, or a remote process.

    Attributes
    ----------
    kind : str
        ``job``, ``engine`` or ``controller``.
    text : str
        What the user reads of it, such as ``job 4711 (slurm)``.
    stop : tuple of str
        The command that ends it.
    created : float
        When it was started, seconds since the epoch.
    host : str
        Where it runs, or the batch system's name.
    """

    kind: str
    text: str
    stop: tuple[str, ...]
    created: float
    host: str = ""

    @property
    def id(self) -> str:
        """A job's id in its batch system."""
        return self.stop[-1] if self.stop else ""

    @property
    def system(self) -> str:
        """A job's batch system, by ipyparallel's name for its launcher; empty for other records."""
        return self.host.lower() if self.kind == "job" else ""

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> JobRecord:
        """Make a record of its fields as JSON gives them.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the fields are not those of a record.
        """
        stop = tuple(str(word) for word in fields["stop"])
        created = moment_of(fields["created"])
        return cls(str(fields["kind"]), str(fields["text"]), stop, created, str(fields["host"]))

    def end(self) -> tuple[bool, str]:
        """Run the command that ends it.

        Returns
        -------
        bool
            Whether it was run: the job has ended, or had before. Engines that lose their
            controller leave by themselves.
        str
            What the user should know if that has failed, else nothing.
        """
        try:
            subprocess.run(self.stop, timeout=JOB_SECONDS, capture_output=True, check=True)
        except subprocess.CalledProcessError as e:
            said = e.stderr.decode(errors="replace").strip() or f"exit code {e.returncode}"
            return True, f"{self.text} was not stopped, it may have ended already: {said}"
        except (OSError, subprocess.SubprocessError) as e:
            return False, f"{self.text} could not be stopped: {e}"
        return True, ""


def end_all(jobs: Sequence[JobRecord]) -> tuple[list[JobRecord], list[str]]:
    """End jobs, all at once; return those that may run on, and a line for each failure."""
    if not jobs:
        return [], []
    from concurrent.futures import ThreadPoolExecutor  # the guard of local engines does without

    try:
        with ThreadPoolExecutor(len(jobs)) as pool:
            ends = list(pool.map(JobRecord.end, jobs))
    except RuntimeError:  # at the interpreter's end there are no new threads
        ends = [job.end() for job in jobs]
    left = [job for job, (ended, _) in zip(jobs, ends, strict=True) if not ended]
    return left, [line for _, line in ends if line]
