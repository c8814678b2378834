"""Find out why an engine has left: it has crashed at its work, or it was taken away.

An element is to blame only for an engine that its nanny has reported as ended, while its host, its
job and its session were well. A hub tells clients of a crash and of missed heartbeats alike, so
that the controller's log, the other engines of the host and the batch system are looked at.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING

from parallelflow.system.safe_files import open_to_read, read_text

from .system.batch_systems import BATCH_SYSTEMS, JobState, JobStatus
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
# What the controller knows is in its log a moment later.
LOG_SECONDS = 0.5
# So often the jobs of engines that are there are looked at; the batch system is asked less often.
LOOK_SECONDS = 1.0
# What Open MPI and MPICH write of the rank that has ended all.
MPI_ENDS = (
    re.compile(r"process rank (?P<rank>\d+) .*?(?P<how>exited on signal [^.\n]+)", re.DOTALL),
    re.compile(r"\],(?P<rank>\d+)\]\s+(?P<how>Exit code:\s+\d+)"),
    re.compile(r"RANK (?P<rank>\d+) PID .*?(?P<how>(KILLED BY SIGNAL|EXIT CODE): \d+)", re.DOTALL),
)
# How long a job has run is told in whole seconds. No engine registers so soon after its job began.
TOLD_EXACTLY_SECONDS = 1.0
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
        self._engine_jobs = JobWatch()
        self._next_look = 0.0
        #: Engines that were there while the batch system said that their job runs.
        self._seen_running: set[str] = set()
        #: What engines have left and have used of their wall time, and when that was told.
        self._times: dict[str, tuple[float, float, float]] = {}
        #: Why engines were taken away, by their identities.
        self._why: dict[str, str] = {}
        self._by_mpiexec: set[str] = set()

    def is_frozen(self, engine: int) -> bool:
        """Return True if an engine of this machine has left, and its process still runs."""
        connection = self._cluster.live_connection()
        if connection is None or engine in connection.retired:
            return False
        connection.meet()
        process = connection.gone_processes.get(engine)
        return process is not None and process.alive()

    def is_taken_away(self, engine: int) -> bool:
        """Return True if the job of an engine that is still listed has ended.

        The controller finds out by missed heartbeats, half a minute later.
        """
        # Runs ask for each engine whenever something comes: what the system would tell costs more.
        if not self._why and time.monotonic() < self._next_look:
            return False
        connection = self._cluster.live_connection()
        if connection is None:
            return False
        if engine not in connection.joined:
            # Asked before the engine gets work, it tells of itself before it begins any: where it
            # runs, and in which job, is known then of each engine that has had an element.
            connection.meet()
        self._look_at_jobs(connection)
        return connection.identities.get(engine) in self._why and engine in connection.facts

    def why(self, engine: int) -> str:
        """Return what is known of why an engine was taken away; may be empty."""
        connection = self._cluster.live_connection()
        if connection is None:
            return ""
        return self._why.get(connection.identities.get(engine, ""), "")

    def seconds_left(self, engine: int) -> tuple[float | None, float | None]:
        """Return how much of its wall time an engine has left and has used, seconds.

        None where that has no end or is not known.
        """
        if not self._times:
            return None, None
        connection = self._cluster.live_connection()
        identity = connection.identities.get(engine, "") if connection is not None else ""
        if identity not in self._times:
            return None, None
        left, used, told_at = self._times[identity]
        since = time.monotonic() - told_at
        return left - since, used + since

    def ended_together(self, engine: int) -> bool:
        """Return True if an engine was ended by its ``mpiexec``, since another one had ended."""
        connection = self._cluster.live_connection()
        return connection is not None and connection.identities.get(engine) in self._by_mpiexec

    def _look_at_jobs(self, connection: ClusterConnection) -> None:
        """Note the engines whose job has run and does not any more."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        engines: dict[JobRecord, list[str]] = {}
        for engine, facts in list(connection.facts.items()):
            job = _job_of(facts.job)
            if job is not None and engine in connection.identities:
                engines.setdefault(job, []).append(connection.identities[engine])
        for job, status in self._engine_jobs.states(engines).items():
            if not status.has_no_engines:
                self._seen_running.update(engines[job])
                if status.left is not None:
                    told = (status.left, status.used or 0.0, self._engine_jobs.told_at(job))
                    self._times.update(dict.fromkeys(engines[job], told))
                continue
            # What was said of a job before it began says nothing of its engines.
            for identity in self._seen_running.intersection(engines[job]):
                ends = status.state is JobState.RUNNING
                self._why[identity] = f"{job.text} {'is being ended' if ends else status.text}"

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
        if facts is not None and facts.token and facts.token not in self._cluster.tokens():
            # Another session's: its end, or its order, has ended the engine.
            theirs = [r for r in records if r.token == facts.token]
            if not any(not r.abandoned for r in theirs):
                return False
        if facts is not None and facts.rank:
            ended = self._mpiexec_has_ended(connection, engine, facts.token, records)
            if ended is not False:
                return None if ended is None else False
        if process is not None:
            return True
        if facts is None:
            return self._fell_silent(connection, engine, records)
        return self._was_alone(connection, engine, records)

    def _fell_silent(
        self, connection: ClusterConnection, engine: int, records: list[SessionRecord]
    ) -> bool | None:
        """Return whether an engine that has told nothing of itself ended by itself."""
        since = connection.gone_since.get(engine, 0.0)
        if time.monotonic() - since < LOG_SECONDS:
            return None  # what the controller writes into its log
        return not self._heart_missed(connection, engine, records)

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
        if status is not None and self._has_run_again(connection, engine, status, job):
            self._why[connection.identities.get(engine, "")] = f"{job.text} has been run again"
            return False
        if status is not None and blame is False:
            self._why[connection.identities.get(engine, "")] = f"{job.text} {status.text}"
        if blame is None and time.monotonic() - since > ANSWER_SECONDS:
            return False
        return blame

    def _has_run_again(
        self, connection: ClusterConnection, engine: int, status: JobStatus, job: JobRecord
    ) -> bool:
        """Return True if a job that runs had not begun yet when the engine was there.

        It was requeued: the engine has ended with the run before, and with its host maybe.
        """
        joined = connection.joined.get(engine)
        if status.state is not JobState.RUNNING or status.used is None or joined is None:
            return False
        began = self._watch.told_at(job) - status.used
        return began > joined + TOLD_EXACTLY_SECONDS

    def _mpiexec_has_ended(
        self, connection: ClusterConnection, engine: int, token: str, records: list[SessionRecord]
    ) -> bool | None:
        """Return whether the ``mpiexec`` of an engine has ended; None while it still may.

        It ends all its processes if one of them ends: which one it was is no element's fault that
        can be told from here.
        """
        for record in records:
            programs = [p for p in record.processes if p.kind == "launcher"]
            if record.token != token or not record.here or not programs:
                continue
            if any(not program.alive() for program in programs):
                told = f"mpiexec has ended, and with it all its engines{self._first_rank(record)}"
                identity = connection.identities.get(engine, "")
                self._why[identity] = told
                self._by_mpiexec.add(identity)
                return True
            since = connection.gone_since.get(engine, 0.0)
            return None if time.monotonic() - since < TOGETHER_SECONDS else False
        return False

    def _first_rank(self, record: SessionRecord) -> str:
        """Return which rank has ended first, as mpiexec has written into its log."""
        for name in record.files:
            path = self._cluster.folder / name
            if not name.startswith("log/ipengine"):
                continue
            with contextlib.suppress(OSError):
                text = read_text(path)
                for pattern in MPI_ENDS:
                    if found := pattern.search(text):
                        how = " ".join(found["how"].lower().split())
                        return f": rank {found['rank']} {how}"
        return ""

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
        taken = [e for e in connection.facts if connection.identities.get(e) in self._why]
        away = [connection.facts.get(e) for e in taken]
        for facts in [*connection.gone.values(), *away]:
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
        return "; ".join(lines) or ("batch jobs, whose state is being asked" if unasked else "")


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
