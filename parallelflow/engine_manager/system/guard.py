"""The guard: a small process that outlives the session and stops what it started.

A session that is killed cannot stop its engines itself. The guard waits for the
end of the session's pipe (which the system closes, however the session ends) or
of its process, then stops every process of the session's record that was not
left running on purpose, removes the record and ends.

Processes started in the session's last moment, before their record was written, are
known by the session's token in their environment.

Run as ``python -m parallelflow.engine_manager.system.guard RECORD PID START_STAMP TOKEN``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from parallelflow.data.folder_owners import remove_abandoned
from parallelflow.system import forks
from parallelflow.system.process_end import leave

from .module_command import module_command
from .processes import ProcessRecord, record_of
from .records import SessionRecord, read

__all__ = ["Guard", "main"]

# The pipe tells the end at once; the pid is looked at as well, because a process that the
# session forked may hold the pipe open. Rarely, so that an idle guard costs nothing.
LOOK_SECONDS = 2.0
# The guard ends when its pipe does; it may wait for what follows.
END_SECONDS = 5.0
# The system closes a killed session's files one after the other: the profile's lock, if it is one
# of them, a moment after the pipe. Another session holds it while it starts engines; if that takes
# longer, the record stays, for whoever connects next.
LOCK_SECONDS = 2.0


class Guard:
    """The session's side of its guard process.

    Parameters
    ----------
    record : SessionRecord
        The record to watch over; its file need not exist yet.
    environment : dict of str to str
        Environment of the guard, in which `parallelflow` can be imported.

    Raises
    ------
    OSError
        If the process cannot be started.
    """

    def __init__(self, record: SessionRecord, environment: dict[str, str]) -> None:
        command = module_command("parallelflow.engine_manager.system.guard")
        session = record.session
        command += [str(record.path), str(session.pid), session.start_stamp, record.token]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            # Neither Ctrl-C at the terminal nor its closing may end the guard first.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self.process = record_of(self._process.pid, "guard")

    def release(self) -> None:
        """Close the pipe and wait for the guard's end; it stops what the record still names."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it may have ended already
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _wait_for_pipe_end(ended: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    ended.set()


def main(arguments: list[str]) -> int:
    """Wait for the session's end, then stop what it started and did not leave running.

    Parameters
    ----------
    arguments : list of str
        The record's path, the session's pid and start time, and its token.

    Returns
    -------
    int
        Exit code: 0, or 1 if a process could not be stopped.
    """
    for number in forks.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    path = Path(arguments[0])
    session = ProcessRecord(int(arguments[1]), arguments[2], "session")
    token = arguments[3]
    ended = threading.Event()
    threading.Thread(target=_wait_for_pipe_end, args=(ended,), daemon=True).start()
    while not ended.wait(LOOK_SECONDS) and session.alive():
        pass
    record = read(path)
    if record is None or record.token != token:
        # Killed before the first record was written, or all was stopped in good order.
        record = SessionRecord(path, session, token)
    left = not record.keep and record.stop(lock_seconds=LOCK_SECONDS)
    remove_abandoned()  # the session's folder in shared memory, if it could not do it itself
    return 1 if left else 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
