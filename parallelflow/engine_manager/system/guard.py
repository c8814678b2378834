"""The guard: a small process that outlives the session and stops what it started.

A session that is killed cannot stop its engines itself. The guard waits for the
end of the session's pipe (which the system closes, however the session ends) or
of its process, then stops every process of the session's record that was not
left running on purpose, removes the record and ends.

Processes started in the session's last moment, before their record was written, are
known by the session's token in their environment.

What it needs for that takes most of its computing to load. It does so after a while, and not at all
if its session has stopped everything by then, as short ones mostly do.

Run as ``python -m parallelflow.engine_manager.system.guard RECORD PID START_STAMP TOKEN``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

from parallelflow.names import TOKEN_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .records import SessionRecord

__all__ = ["Guard", "main"]

# So long a guard has loaded only what waiting takes. In a session that takes longer, it can do its
# work whatever happens to the files of the installation meanwhile.
LOAD_SECONDS = 6.0
#: What a session that has stopped all that it had started tells its guard.
STOPPED = b"stopped"

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
        import subprocess

        from .module_command import module_command
        from .processes import record_of

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

    def release(self, stopped: bool = False) -> None:
        """Close the pipe and wait for the guard's end; it stops what the record still names.

        Parameters
        ----------
        stopped : bool
            Whether the session has stopped everything.
        """
        from subprocess import TimeoutExpired

        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it may have ended already
            if stopped:
                self._process.stdin.write(STOPPED)
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _wait_for_pipe_end(ended: threading.Event, told: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while STOPPED not in told and (text := os.read(0, 4096)):
            told.append(text)
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
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    ended, told = threading.Event(), list[bytes]()
    threading.Thread(target=_wait_for_pipe_end, args=(ended, told), daemon=True).start()
    ended.wait(LOAD_SECONDS)
    path, pid, stamp, token = arguments
    if STOPPED in told and not os.path.lexists(path) and not _is_anything_of(token):
        return 0
    return _stop_what_is_left(path, int(pid), stamp, token, ended)


def _is_anything_of(token: str) -> bool:
    """Whether a process may have a session's token, as `processes.find_by_token` finds it."""
    if not sys.platform.startswith("linux"):
        return True
    mark = os.fsencode(f"{TOKEN_VARIABLE}={token}")
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - without `pathlib`
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                return True
    return False


def _stop_what_is_left(file: str, pid: int, stamp: str, token: str, ended: threading.Event) -> int:
    """Load what it takes, wait for the session's end, and stop what it has left; the exit code."""
    from pathlib import Path

    from parallelflow.data.folder_owners import remove_abandoned

    from .processes import ProcessRecord
    from .records import SessionRecord, read

    path, session = Path(file), ProcessRecord(pid, stamp, "session")
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
    # As `process_end.leave`; it has nothing to write, and is not worth to be loaded.
    os._exit(main(sys.argv[1:]))
