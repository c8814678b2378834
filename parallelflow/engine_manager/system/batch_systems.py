"""Batch systems: how each is asked for its jobs, and what its answers mean.

A `BatchSystem` is a row of a table: a command that lists jobs, a pure function that reads what it
prints, the words by which it says that it does not know a job (any more), and the command that
cancels one. A further system is one more row of `BATCH_SYSTEMS`.
"""

from __future__ import annotations

import enum
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from .job_times import (
    clock_seconds,
    lsf_limit_seconds,
    number_of,
    remaining,
    seconds_of,
    seconds_since,
)

__all__ = ["BATCH_SYSTEMS", "BatchSystem", "JobState", "JobStatus"]


# A job whose processes are being ended: in Slurm's, PBS' and Grid Engine's words.
ENDING = ("COMPLETING", "ending", "dr", "dt")
# How a job ends whose engine has ended by itself: in Slurm's, PBS' and LSF's words.
OWN_ENDS = ("FAILED", "OUT_OF_MEMORY", "exit status 1", "EXIT, code 1")
# How a job ends that somebody, or the batch system, has ended: the words of Slurm, HTCondor, PBS.
TAKEN_ENDS = ("CANCELLED", "PREEMPTED", "NODE_FAIL", "REVOKED", "removed", "exit status 271")


class JobState(enum.Enum):
    """Where a job stands."""

    WAITING = "queued"
    BLOCKED = "can never start"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True)
class JobStatus:
    """What a batch system says of a job.

    Attributes
    ----------
    state : JobState
        Where it stands.
    reason : str
        The system's own word or words: why it waits, or how it has ended; may be empty.
    left, used : float or None
        Of its wall time, seconds; None if that has no end, or is not told.
    """

    state: JobState
    reason: str = ""
    left: float | None = field(default=None, compare=False)
    used: float | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """What the user reads, such as ``queued: Resources``."""
        return f"{self.state.value}: {self.reason}" if self.reason else self.state.value

    @property
    def has_no_engines(self) -> bool:
        """Whether engines that have run in the job are not there any more."""
        return self.state is not JobState.RUNNING or self.reason in ENDING

    @property
    def was_taken_away(self) -> bool:
        """Whether the job has ended, and neither by itself nor by what ran in it."""
        return self.state is JobState.ENDED and self.reason.startswith(TAKEN_ENDS)

    @property
    def blames_engine(self) -> bool | None:
        """Whether an engine of the job that has ended did so by itself; None: not known yet.

        Not if the job was requeued, cancelled, preempted, or has run out of its time.
        """
        if self.state is JobState.RUNNING:
            return None if self.reason else True
        return self.state is JobState.ENDED and self.reason.startswith(OWN_ENDS)


@dataclass(frozen=True)
class BatchSystem:
    """How one batch system is asked.

    Attributes
    ----------
    listing : callable
        Given jobs' ids, returns the command that prints their states.
    parse : callable
        Given what that command prints, returns pairs of id and `JobStatus`; several of one id are
        the tasks of an array.
    unknown : str
        A regular expression of what it says of a job that it does not know: one that has ended
        some time ago.
    cancel : tuple of str
        The command that cancels a job, without its id.
    """

    listing: Callable[[Sequence[str]], list[str]]
    parse: Callable[[str], Iterable[tuple[str, JobStatus]]]
    unknown: str
    cancel: tuple[str, ...]

    def read(self, ids: Sequence[str], output: str, error: str, code: int) -> dict[str, JobStatus]:
        """Return the states of jobs by what the command has printed, as far as that tells them.

        Parameters
        ----------
        ids : sequence of str
            The jobs that it was asked for.
        output, error : str
            What it has printed.
        code : int
            Its exit code.
        """
        tasks: dict[str, list[JobStatus]] = {}
        for job, status in self.parse(output):
            tasks.setdefault(job, []).append(status)
        found = {job: _of_tasks(tasks[job]) for job in ids if job in tasks}
        if code == 0 or re.search(self.unknown, f"{error}\n{output}", re.IGNORECASE):
            found |= {job: JobStatus(JobState.ENDED) for job in ids if job not in found}
        return found


def _of_tasks(tasks: Sequence[JobStatus]) -> JobStatus:
    """Return the state of a job whose tasks have several: of those that may still do something."""
    for state in (JobState.RUNNING, JobState.WAITING, JobState.BLOCKED):
        found = [status for status in tasks if status.state is state]
        if found:
            # Of tasks that began one after the other: none is near its end before the last is.
            return max(found, key=lambda one: math.inf if one.left is None else one.left)
    return next((status for status in tasks if status.reason), tasks[0])


# -- Slurm ---------------------------------------------------------------------------------

# Reasons for which a job stays in the queue until somebody changes it, or its partition.
SLURM_NEVER = {
    "AccountNotAllowed",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "InvalidAccount",
    "InvalidQOS",
    "JobHoldMaxRequeue",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "QOSNotAllowed",
}
SLURM_WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}
SLURM_ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}


def _list_slurm(ids: Sequence[str]) -> list[str]:
    return ["squeue", "-h", "-t", "all", "-o", "%i|%T|%r|%L|%M", "-j", ",".join(ids)]


def _parse_slurm(output: str) -> Iterable[tuple[str, JobStatus]]:
    for line in output.splitlines():
        fields = line.strip().split("|")
        if len(fields) < 3:
            continue
        job = re.split(r"[_+]", fields[0])[0]
        word, reason = fields[1], "" if fields[2] == "None" else fields[2]
        if word in SLURM_WAITING:
            state = JobState.BLOCKED if reason in SLURM_NEVER else JobState.WAITING
            yield job, JobStatus(state, reason)
        elif word in SLURM_ENDED:
            yield job, JobStatus(JobState.ENDED, ", ".join(filter(None, [word, reason])))
        else:  # COMPLETING, CONFIGURING, SUSPENDED, ...
            left, used = (*map(clock_seconds, fields[3:]), None, None)[:2]
            yield job, JobStatus(JobState.RUNNING, "" if word == "RUNNING" else word, left, used)


# -- PBS (Professional, OpenPBS and Torque) -------------------------------------------------

PBS_WORDS = {
    "Q": (JobState.WAITING, ""),
    "H": (JobState.WAITING, "held"),
    "W": (JobState.WAITING, "its time has not come"),
    "T": (JobState.WAITING, "being moved"),
    "M": (JobState.WAITING, "moved to another server"),
    "R": (JobState.RUNNING, ""),
    "B": (JobState.RUNNING, ""),
    "S": (JobState.RUNNING, "suspended"),
    "U": (JobState.RUNNING, "suspended"),
    "E": (JobState.RUNNING, "ending"),
    "C": (JobState.ENDED, ""),
    "F": (JobState.ENDED, ""),
    "X": (JobState.ENDED, ""),
}


def _parse_pbs(output: str) -> Iterable[tuple[str, JobStatus]]:
    # Long values go on in the next line, after a tab.
    for block in output.replace("\n\t", "").split("Job Id: ")[1:]:
        first, *lines = block.splitlines()
        fields = dict(part for line in lines if len(part := line.strip().split(" = ", 1)) == 2)
        number = re.match(r"\d+", first)
        letter = fields.get("job_state", "")
        if number is None or letter not in PBS_WORDS:
            continue
        state, reason = PBS_WORDS[letter]
        comment = fields.get("comment", "")
        if state is JobState.WAITING:
            reason = comment or reason
            if comment.startswith("Can Never Run"):
                state = JobState.BLOCKED
        elif state is JobState.ENDED:
            code = fields.get("exit_status", fields.get("Exit_status", ""))
            reason = f"exit status {code}" if code else comment
        limit = clock_seconds(fields.get("Resource_List.walltime", ""))
        used = clock_seconds(fields.get("resources_used.walltime", ""))
        yield number.group(), JobStatus(state, reason, remaining(limit, used), used)


# -- Grid Engine ---------------------------------------------------------------------------


def _parse_sge(output: str) -> Iterable[tuple[str, JobStatus]]:
    try:
        jobs = ElementTree.fromstring(output).iter("job_list")
    except ElementTree.ParseError:
        return
    for job in jobs:
        number, word = job.findtext("JB_job_number", ""), job.findtext("state", "")
        if "E" in word:
            yield number, JobStatus(JobState.BLOCKED, f"{word}; qstat -j {number} says why")
        elif "q" in word or "w" in word:
            yield number, JobStatus(JobState.WAITING, "" if word == "qw" else word)
        else:
            used = seconds_since(job.findtext("JAT_start_time", ""))
            limit = seconds_of(job.findtext("hard_request[@name='h_rt']", ""))
            left = remaining(limit, used)
            yield number, JobStatus(JobState.RUNNING, "" if word == "r" else word, left, used)


# -- LSF -----------------------------------------------------------------------------------

LSF_FIELDS = "jobid stat exit_code runtimelimit run_time pend_reason delimiter='|'"
LSF_WAITING = {"PEND", "PSUSP", "WAIT", "PROV"}
LSF_ENDED = {"DONE", "EXIT", "ZOMBI"}


def _parse_lsf(output: str) -> Iterable[tuple[str, JobStatus]]:
    for line in output.splitlines():
        fields = [field.strip() for field in line.split("|", 5)]
        if len(fields) != 6 or not fields[0].partition("[")[0].isdigit():
            continue
        job, word, code, limit, run_time, reason = fields
        job = job.partition("[")[0]
        if word in LSF_WAITING:
            told = "" if reason == "-" else reason
            yield job, JobStatus(JobState.WAITING, "held" if word == "PSUSP" and not told else told)
        elif word in LSF_ENDED:
            yield job, JobStatus(JobState.ENDED, f"{word}{'' if code == '-' else f', code {code}'}")
        else:
            used = seconds_of(run_time)
            left = remaining(lsf_limit_seconds(limit), used)
            yield job, JobStatus(JobState.RUNNING, "" if word == "RUN" else word, left, used)


# -- HTCondor ------------------------------------------------------------------------------

CONDOR_STATES = {
    "1": (JobState.WAITING, ""),
    "2": (JobState.RUNNING, ""),
    "3": (JobState.ENDED, "removed"),
    "4": (JobState.ENDED, "completed"),
    "6": (JobState.RUNNING, "transferring its output"),
    "7": (JobState.RUNNING, "suspended"),
}
# What it says of a job's wall time: its limit, when this run of it began, and what time it is.
CONDOR_TIMES = ("AllowedJobDuration", "JobCurrentStartDate", "ServerTime")
# HTCondor's number for a job that its user holds; all others are faults.
HELD_BY_USER = "1"


def _parse_condor(output: str) -> Iterable[tuple[str, JobStatus]]:
    for line in output.splitlines():
        fields = line.split("\t")
        if len(fields) < 2 or not fields[0].isdigit():
            continue
        job, number, code, reason = (*fields, "", "")[:4]
        limit, began, now = map(number_of, (*fields[4:], "", "", "")[:3])
        if number == "5":
            state = JobState.WAITING if code == HELD_BY_USER else JobState.BLOCKED
            yield job, JobStatus(state, f"held: {reason}")
        elif number in CONDOR_STATES:
            used = remaining(now, began)
            yield job, JobStatus(*CONDOR_STATES[number], remaining(limit, used), used)


BATCH_SYSTEMS = {
    "slurm": BatchSystem(_list_slurm, _parse_slurm, r"invalid job id", ("scancel",)),
    "pbs": BatchSystem(
        lambda ids: ["qstat", "-f", *ids],
        _parse_pbs,
        r"unknown job id|job has finished",
        ("qdel",),
    ),
    "sge": BatchSystem(
        lambda ids: ["qstat", "-r", "-xml"], _parse_sge, r"do(es)? not exist", ("qdel",)
    ),
    "lsf": BatchSystem(
        lambda ids: ["bjobs", "-noheader", "-o", LSF_FIELDS, *ids],
        _parse_lsf,
        r"is not found",
        ("bkill",),
    ),
    "htcondor": BatchSystem(
        lambda ids: [
            *("condor_q", *ids, "-allusers"),
            *("-af:t", "ClusterId", "JobStatus", "HoldReasonCode", "HoldReason", *CONDOR_TIMES),
        ],
        _parse_condor,
        r"$^",
        ("condor_rm",),
    ),
}
"""The batch systems by ipyparallel's names for their launchers."""
