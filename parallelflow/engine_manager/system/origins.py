"""Who started a process: this session, an earlier one, another one, or somebody else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from ..model import Origin, RunningProcess
from .jobs import JobRecord
from .processes import ProcessRecord
from .records import SessionRecord, read_all

__all__ = ["Origins", "origin_of"]


def origin_of(record: SessionRecord, own_tokens: Iterable[str] = ()) -> Origin:
    """Return where the processes of a record come from, seen from a session.

    Parameters
    ----------
    record : SessionRecord
        The record.
    own_tokens : iterable of str
        The tokens under which the session that asks has started anything.
    """
    if not record.here:
        return Origin.EXTERNAL  # on another machine, from which alone it can be stopped
    if record.keep or record.abandoned:
        return Origin.DETACHED
    if record.token in own_tokens:
        return Origin.THIS_SESSION
    return Origin.OTHER_SESSION


class Origins:
    """The records of a profile's sessions, as they are at one moment.

    Parameters
    ----------
    profile_folder : Path
        The profile's folder.
    own_tokens : iterable of str
        The tokens under which the session that asks has started anything.
    """

    def __init__(self, profile_folder: Path, own_tokens: Iterable[str]) -> None:
        self._own = tuple(own_tokens)
        self.records = read_all(profile_folder)
        self._by_token = {record.token: record for record in self.records}

    def of_engine(self, token: str) -> Origin:
        """Return an engine's origin, by the token that it was started with."""
        record = self._by_token.get(token)
        return origin_of(record, self._own) if record else Origin.EXTERNAL

    def of_controller(self, process: ProcessRecord | None, cluster_id: str) -> Origin:
        """Return the origin of a cluster's controller."""
        for record in self.records:
            for known in record.processes:
                if known.kind == "controller" and process is not None and process.is_same(known):
                    return origin_of(record, self._own)
        return Origin.EXTERNAL

    def running(self, without: Collection[JobRecord] = ()) -> list[RunningProcess]:
        """Return what runs of all the records, controllers first.

        Parameters
        ----------
        without : collection of JobRecord
            Jobs that have ended.
        """
        found = []
        for record in self.records:
            origin = origin_of(record, self._own)
            for process in record.alive():
                text = f"{process.name()} {process.pid}"
                found.append(
                    RunningProcess(
                        process.kind, process.pid, record.host, origin, process.created, text
                    )
                )
            for job in record.jobs:
                if job in without:
                    continue
                found.append(
                    RunningProcess(job.kind, None, job.host, origin, job.created, job.text)
                )
        kinds = ["controller", "engine", "launcher", "job"]
        return sorted(found, key=lambda p: (kinds.index(p.kind), p.host, p.pid or 0))
