"""Runs that go on without a terminal: each has a folder of its own, beside the list of past runs.

``detached/NUMBER`` has ``run.json`` (which process it is, and how it ended), ``progress.json``
(how far its Maps are), and ``output`` and ``messages``: its standard output and standard error.
"""

from __future__ import annotations

import codecs
import contextlib
import enum
import json
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from parallelflow.engine_manager.system.processes import (
    ProcessRecord,
    is_of_this_machine,
    pid_namespace,
)
from parallelflow.progress import RunState
from parallelflow.system import safe_files

from .detached_progress import read_progress
from .history import LAST_SECONDS, PastRun, history_file, past_run, past_runs

__all__ = [
    "DetachedRun",
    "DetachedState",
    "all_runs",
    "find_detached",
    "list_detached",
    "new_folder",
    "read_detached",
    "remove_folder",
]

MOST_ENDED = 50
"""Ended runs whose folders are kept; a new run removes the older ones."""


class DetachedState(enum.Enum):
    """Where a detached run stands; the value is what the user reads."""

    RUNNING = "running"
    ELSEWHERE = "on another machine"
    DONE = "done"
    FAILED = "failed"
    NOT_RUN = "not run"  # a mistake in the command or the file
    CANCELLED = "cancelled"
    LOST = "ended without a result"


@dataclass(frozen=True)
class DetachedRun:
    """A run that goes on without a terminal.

    Attributes
    ----------
    folder : Path
        Its folder; the name is its number.
    command : list of str
        The arguments of ``parallelflow``.
    workflow : str
        The files that it runs, with their versions.
    directory : str
        Its working directory.
    process : ProcessRecord
        The process that runs it.
    began : float
        When, seconds since the epoch.
    encoding : str
        Of what it writes.
    host, namespace : str
        The machine, and the namespace of its process ids there.
    unit : str
        What is counted, in the plural.
    checked : bool
        Whether the file and the arguments have been found to be right.
    code : int or None
        Its exit code; None while it has none.
    ended : float or None
        When it ended.
    """

    folder: Path
    command: list[str]
    workflow: str
    directory: str
    process: ProcessRecord
    began: float
    encoding: str
    host: str = field(default_factory=socket.gethostname)
    namespace: str = field(default_factory=pid_namespace)
    unit: str = "elements"
    checked: bool = False
    code: int | None = None
    ended: float | None = None

    @property
    def number(self) -> int:
        """What the user calls it."""
        return int(self.folder.name)

    @property
    def output(self) -> Path:
        """The file of its standard output."""
        return self.folder / "output"

    @property
    def messages(self) -> Path:
        """The file of its standard error."""
        return self.folder / "messages"

    def write(self) -> None:
        """Write the record.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        known = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"}
        text = json.dumps({**known, "process": self.process.to_dict()})
        safe_files.replace_text(self.folder / "run.json", text)

    def finish(self, code: int) -> None:
        """Note the exit code. A full disk must not change it, so that an error is passed over."""
        with contextlib.suppress(OSError):
            replace(self, code=int(code), ended=time.time()).write()

    def state(self) -> DetachedState:
        """Return where it stands, by its process and its exit code."""
        if self.code is not None:
            if self.code >= 128:
                return DetachedState.CANCELLED
            known = (DetachedState.DONE, DetachedState.FAILED, DetachedState.NOT_RUN)
            return known[self.code] if self.code < len(known) else DetachedState.FAILED
        if not is_of_this_machine(self.process.start_stamp, self.host, self.namespace):
            return DetachedState.ELSEWHERE
        if self.process.alive():
            return DetachedState.RUNNING
        # It may have noted its exit code since this record was read.
        latest = read_detached(self.folder)
        if latest is not None and latest.code is not None:
            return latest.state()
        return DetachedState.LOST

    def lines(self, kept: Sequence[PastRun] = ()) -> list[PastRun]:
        """Return a line for each of its Maps as the list of runs has them, or one for the whole.

        Parameters
        ----------
        kept : sequence of PastRun
            What the list of past runs has of it: it is written when the run ends.
        """
        state = self.state()
        running = state is DetachedState.RUNNING
        lines = list(kept)
        for began, snapshot in () if lines else read_progress(self.folder, goes_on=running):
            told = snapshot.state if snapshot.state.is_finished or running else state
            if state is DetachedState.DONE and told is RunState.FAILED:
                told = state  # without the elements that have failed
            lines.append(past_run(snapshot, began, self.workflow, told.value, self.number))
        over = all(line.state in _OVER for line in lines)
        if lines and (not over or state is DetachedState.DONE or lines[-1].state == state.value):
            return lines
        ended = time.time() if running else self.ended or self.began
        whole = PastRun(self.began, self.workflow, "", state.value, number=self.number)
        return [*lines, replace(whole, seconds=round(ended - self.began, 3))]


_OVER = {state.value for state in RunState if state.is_finished}


def _folder() -> Path:
    return history_file().with_name("detached")


def _numbered(folder: Path) -> dict[int, Path]:
    return {int(p.name): p for p in safe_files.list_files(folder, "*") if p.name.isdecimal()}


def new_folder() -> Path:
    """Make the folder of a new run, and remove those of the oldest runs that have ended.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    top = _folder()
    safe_files.make_folder(top)
    going_on = (DetachedState.RUNNING, DetachedState.ELSEWHERE)
    ended = [run for run in list_detached() if run.state() not in going_on]
    for run in ended[: max(len(ended) + 1 - MOST_ENDED, 0)]:
        remove_folder(run.folder)
    number = max(_numbered(top), default=0)
    while True:
        number += 1
        new = top / str(number)
        try:
            new.mkdir(safe_files.PRIVATE_FOLDER)
        except FileExistsError:  # another session's, made just now
            continue
        new.chmod(safe_files.PRIVATE_FOLDER)  # a umask may have taken even the owner's rights
        return new


def remove_folder(folder: Path) -> None:
    """Remove a run's folder."""
    shutil.rmtree(folder, ignore_errors=True)


def read_detached(folder: Path) -> DetachedRun | None:
    """Return the run of a folder; None if it has no record that can be read."""
    try:
        known = safe_files.read_json(folder / "run.json", links=False, own=True)
        known["process"] = ProcessRecord.from_dict(known["process"])
        wanted = {f.name for f in fields(DetachedRun)}
        run = DetachedRun(folder, **{k: v for k, v in known.items() if k in wanted})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return run if _is_whole(run) else None


def _is_whole(run: DetachedRun) -> bool:
    """Return True if what a record says is what such a record may say."""
    texts = (run.workflow, run.directory, run.encoding, run.host, run.namespace, run.unit)
    times = [run.began] + ([] if run.ended is None else [run.ended])
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(run.command, list)
        and all(isinstance(word, str) for word in run.command)
        and all(type(time) in (int, float) and 0 <= time < LAST_SECONDS for time in times)
        and (run.code is None or (type(run.code) is int and 0 <= run.code <= 255))
        and _is_codec(run.encoding)
    )


def _is_codec(name: str) -> bool:
    try:
        return bool(codecs.lookup(name))
    except (LookupError, ValueError):
        return False


def list_detached() -> list[DetachedRun]:
    """Return the runs that are kept, the oldest first."""
    found = (read_detached(path) for _, path in sorted(_numbered(_folder()).items()))
    return [run for run in found if run is not None]


def find_detached(number: int) -> DetachedRun | None:
    """Return the run of a number, None if there is none."""
    return read_detached(_folder() / str(number))


def all_runs() -> list[PastRun]:
    """Return the runs of the past and those that go on without a terminal, the oldest first."""
    found = past_runs()
    for run in list_detached():
        own = [one for one in found if one.number == run.number and one.began >= run.began]
        found = [one for one in found if one not in own] + run.lines(own)
    return sorted(found, key=lambda one: one.began)
