"""What a session started, on disk beside the profile's own files.

One JSON file per session, ``pid/parallelflow-PID.json`` in the profile's folder.
The guard process reads it when the session ends, and a later session or another
terminal reads it to find, reuse or stop what was left running.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .processes import ProcessRecord, record_of

__all__ = ["SessionRecord", "read", "read_all"]


@dataclass
class SessionRecord:
    """The processes that one session started.

    Attributes
    ----------
    path : Path
        The file.
    session : ProcessRecord
        The session's own process.
    cluster_id : str
        The cluster that the processes belong to.
    processes : list of ProcessRecord
        Controller and engines, in the order of their start.
    keep : bool
        Left running on purpose: the end of the session does not stop them.
    """

    path: Path
    session: ProcessRecord
    cluster_id: str = ""
    processes: list[ProcessRecord] = field(default_factory=list)
    keep: bool = False

    @classmethod
    def of_this_session(cls, profile_folder: Path, cluster_id: str = "") -> SessionRecord:
        """Return an empty record for this process, not yet written."""
        me = record_of(os.getpid(), "session")
        assert me is not None  # we are running
        return cls(profile_folder / "pid" / f"parallelflow-{me.pid}.json", me, cluster_id)

    @property
    def token(self) -> str:
        """The mark of this session's processes (see `processes.MARK`)."""
        return f"{self.session.pid}-{self.session.created:.2f}"

    def add(self, records: Iterable[ProcessRecord]) -> None:
        """Add processes and write the file at once, so that a crash loses none."""
        self.processes.extend(records)
        self.write()

    def write(self) -> None:
        """Write the file, or remove it when there is nothing to tell.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        if not self.processes:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
            return
        text = json.dumps(
            {
                "session": self.session.to_dict(),
                "cluster_id": self.cluster_id,
                "keep": self.keep,
                "processes": [p.to_dict() for p in self.processes],
            }
        )
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o600)
        # The guard may read at any moment: it sees the old file or the new one, whole.
        os.replace(new, self.path)

    def alive(self) -> list[ProcessRecord]:
        """Return the processes that still run."""
        return [p for p in self.processes if p.alive()]


def read(path: Path) -> SessionRecord | None:
    """Return the record in a file, None if there is none that can be read."""
    try:
        fields = json.loads(path.read_text())
        return SessionRecord(
            path,
            ProcessRecord.from_dict(fields["session"]),
            str(fields["cluster_id"]),
            [ProcessRecord.from_dict(p) for p in fields["processes"]],
            bool(fields["keep"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_all(profile_folder: Path) -> list[SessionRecord]:
    """Return the records of all sessions of a profile, in no particular order."""
    paths = (profile_folder / "pid").glob("parallelflow-*.json")
    return [record for record in map(read, paths) if record is not None]
