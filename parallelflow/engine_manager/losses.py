"""Find out why an engine has left: it has crashed at its work, or it was taken away.

An element is to blame only for an engine that its nanny has reported as ended, while its host, its
job and its session were well. A hub tells clients of a crash and of missed heartbeats alike, so
that the controller's log, the other engines of the host and the batch system are looked at.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from parallelflow.system.safe_files import open_to_read

from .system.batch_systems import BATCH_SYSTEMS, JobState
from .system.job_watch import JobWatch
from .system.jobs import JobRecord
from .system.records import SessionRecord, read_all

if TYPE_CHECKING:
    from .cluster import Cluster
    from .connection.cluster_connection import ClusterConnection

__all__ = ["LossInquiry"]

# The batch system is asked for so long; then the element gets the benefit of the doubt.
ANSWER_SECONDS = 10.0
# Engines of one host that leave within so short a time were taken away together.
TOGETHER_SECONDS = 3.0
# Of the controller's log, its end: a line for each missed heartbeat of each engine.
LOG_BYTES = 1_000_000
# So many missed heartbeats in a row are no stutter of a busy engine.
MISSES = 10
# Engines of a job that runs register within this time.
JOIN_SECONDS = 60.0


class LossInquiry:
    """Finds out why engines have left, and whether jobs will bring others.

    Parameters
    ----------
    cluster : Cluster
        The engines' cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._watch = JobWatch(pause=1.0)
        self._running_since: dict[JobRecord, float] = {}

    def is_frozen(self, engine: int) -> bool:
        """Return True if an engine of this machine has left, and its process still runs."""
        connection = self._cluster.live_connection()
        if connection is None or engine in connection.retired:
            return False
        connection.meet()
        process = connection.gone_processes.get(engine)
        return process is not None and process.alive()

    def has_crashed(self, engine: int) -> bool | None:
        """Return whether an engine that has left ended by itself; None while that is looked at."""
        connection = self._cluster.live_connection()
        if connection is None or engine in connection.retired:
            return False
        connection.meet()
        process = connection.gone_processes.get(engine)
        if process is not None and process.alive():
            return False  # frozen: the controller has given it up
        facts = connection.gone.get(engine)
        records = read_all(self._cluster.folder)
        if facts is not None and facts.mark and facts.mark not in self._cluster.tokens():
            # Another session's: its end, or its order, has ended the engine.
            theirs = [r for r in records if r.token == facts.mark]
            if not any(not r.abandoned for r in theirs):
                return False
        if process is not None or facts is None:
            return True
        return self._was_alone(connection, engine, records)

    def _was_alone(
        self, connection: ClusterConnection, engine: int, records: list[SessionRecord]
    ) -> bool | None:
        """Return whether an engine of another host ended there while all else was well."""
        since = connection.gone_since.get(engine, 0.0)
        if time.monotonic() - since < TOGETHER_SECONDS / 2:
            return None  # the others of its host may follow
        if _together(connection, engine) or self._heart_missed(connection, engine, records):
            return False
        facts = connection.gone.get(engine)
        job = _job_of(facts.job) if facts is not None else None
        if job is None:
            return True
        status = self._watch.states([job], since).get(job)
        blame = None if status is None else status.blames_engine
        if blame is None and time.monotonic() - since > ANSWER_SECONDS:
            return False
        return blame

    def _heart_missed(
        self, connection: ClusterConnection, engine: int, records: list[SessionRecord]
    ) -> bool:
        identity = connection.identities.get(engine, "")
        names = [
            name
            for record in records
            if record.cluster_id == connection.file.cluster_id
            for name in record.files
            if name.startswith("log/ipcontroller")
        ]
        misses = re.compile(rf"missed b'{re.escape(identity)}' : (\d+)".encode())
        for name in names:
            try:
                with open_to_read(self._cluster.folder / name) as log:
                    log.seek(0, 2)
                    log.seek(max(log.tell() - LOG_BYTES, 0))
                    counts = misses.findall(log.read())
            except OSError:
                continue
            if identity and counts and int(counts[-1]) >= MISSES:
                return True
        return False

    def coming(self) -> str:
        """Return what the jobs that will bring engines are doing; empty if there are none.

        Jobs of the profile's sessions, and those in which engines have been: one that was
        requeued brings its engines again.
        """
        connection = self._cluster.live_connection()
        if connection is None:
            return ""
        jobs = [
            job
            for record in read_all(self._cluster.folder)
            if record.cluster_id == connection.file.cluster_id
            for job in record.jobs
            if job.system
        ]
        for facts in list(connection.gone.values()):
            job = _job_of(facts.job) if facts is not None else None
            if job is not None and all((job.id, job.system) != (j.id, j.system) for j in jobs):
                jobs.append(job)
        states = self._watch.states(jobs)
        lines = []
        for job in jobs:
            status = states.get(job)
            if status is None or status.state in (JobState.ENDED, JobState.BLOCKED):
                continue
            if status.state is JobState.RUNNING:
                since = self._running_since.setdefault(job, time.monotonic())
                if time.monotonic() - since > JOIN_SECONDS:
                    continue  # its engines were here, or they do not come
            else:
                self._running_since.pop(job, None)
            lines.append(f"{job.text} {status.text}")
        unasked = len(states) < len(jobs)
        return "; ".join(lines) or ("the batch system is being asked" if unasked else "")


def _job_of(told: str) -> JobRecord | None:
    """Return the batch job that an engine has told of, such as ``slurm:17``."""
    system, _, number = told.partition(":")
    if system not in BATCH_SYSTEMS or not number:
        return None
    stop = (*BATCH_SYSTEMS[system].cancel, number)
    return JobRecord("job", f"job {number} ({system})", stop, 0.0, system)


def _together(connection: ClusterConnection, engine: int) -> bool:
    """Return True if several engines of the host have left at once, and none is left there."""
    facts, since = connection.gone.get(engine), connection.gone_since.get(engine, 0.0)
    if facts is None:
        return False
    if any(other.host == facts.host for other in list(connection.facts.values())):
        return False
    others = [
        other
        for other, told in list(connection.gone.items())
        if told is not None and told.host == facts.host and other != engine
    ]
    return any(
        abs(connection.gone_since.get(other, 0.0) - since) < TOGETHER_SECONDS for other in others
    )
