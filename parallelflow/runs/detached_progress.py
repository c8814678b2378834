"""How far the Maps of a run without a terminal are: a file in its folder, ``progress.json``."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from parallelflow.progress import RunState, Snapshot, listen, recent
from parallelflow.system import safe_files

__all__ = ["read_progress", "writing_progress"]

PROGRESS_SECONDS = 0.5
"""Seconds between two writings of the progress: a bar that follows it looks alive."""


@contextlib.contextmanager
def writing_progress(folder: Path) -> Iterator[None]:
    """Write the progress of this process' runs into a folder, again and again within the block."""
    over = threading.Event()
    written = _WrittenProgress(folder)
    # The end of a run is there before what is said of it.
    stop = listen(lambda snapshot: written.write() if snapshot.state.is_finished else None)
    thread = threading.Thread(target=_write_again, args=(written, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        over.set()
        thread.join()


def _write_again(written: _WrittenProgress, over: threading.Event) -> None:
    last = False
    while not last:
        last = over.wait(PROGRESS_SECONDS)
        written.write()


class _WrittenProgress:
    """The file of this process' progress, which several threads write.

    Parameters
    ----------
    folder : Path
        The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._before: object = None

    def write(self) -> None:
        """Write how far the runs are, if that has changed."""
        with self._lock:
            runs = [(run.trace.began, run.snapshot()) for run in recent()]
            now = [(s.run, s.state, s.done, s.failed, s.engines) for _, s in runs]
            if now != self._before:
                self._before = now
                with contextlib.suppress(OSError):  # a full disk: what is shown is old then
                    _write_progress(self._folder, runs)


def _write_progress(folder: Path, runs: Sequence[tuple[float, Snapshot]]) -> None:
    known = [[began, {**asdict(s), "state": s.state.value}] for began, s in runs]
    text = json.dumps({"written": time.time(), "runs": known})
    safe_files.replace_text(folder / "progress.json", text)


def read_progress(folder: Path, goes_on: bool = True) -> list[tuple[float, Snapshot]]:
    """Return when each of a run's Maps began, and how far it is, the oldest first.

    Parameters
    ----------
    folder : Path
        The run's folder.
    goes_on : bool
        Whether the run goes on, so that what was written a while ago has become older.
    """
    try:
        known = safe_files.read_json(folder / "progress.json", links=False, own=True)
        age = max(time.time() - known["written"], 0.0) if goes_on else 0.0
        found = [
            (float(began), Snapshot(**{**s, "state": RunState(s["state"])}))
            for began, s in known["runs"]
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [(began, s if s.state.is_finished else _older(s, age)) for began, s in found]


def _older(snapshot: Snapshot, seconds: float) -> Snapshot:
    running = seconds if snapshot.state is RunState.RUNNING else 0.0
    return replace(
        snapshot,
        wall_seconds=snapshot.wall_seconds + seconds,
        running_seconds=snapshot.running_seconds + running,
    )
