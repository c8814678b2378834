"""Sessions in processes of their own, to be ended in every way, and a look at what they leave."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from tests.support.fork_server import ForkServer, Program
from tests.support.leaks import is_running
from tests.support.waiting import LIMIT_SECONDS, wait_until

__all__ = ["SessionProcess", "running", "session", "wait_until", "wait_until_gone"]

# The session tells on standard output how far it is, one word a line.
PROLOGUE = """
import logging, os, sys, time
logging.disable(logging.CRITICAL)
from parallelflow.engine_manager import EngineManager
def tell(*words):
    print(*words, flush=True)
manager = EngineManager({profile!r})
"""


class SessionProcess:
    """A process with a manager of its own.

    Parameters
    ----------
    profile : str
        Its profile.
    code : str
        What it does with ``manager``; ``tell(word)`` tells how far it is.
    server : ForkServer, optional
        What it is forked from; a Python of its own is started if not given.
    """

    def __init__(self, profile: str, code: str, server: ForkServer | None = None) -> None:
        source = PROLOGUE.format(profile=profile) + code
        self.process: subprocess.Popen[str] | Program
        if server is not None:
            self.process = server.start_code(source)
            return
        self.process = subprocess.Popen(
            [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True
        )

    def wait_for(self, word: str) -> list[str]:
        """Read what it tells until a line that begins with a word; return the rest of it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            words = line.split()
            if words[:1] == [word]:
                return words[1:]
        raise AssertionError(f"the session ended before it told {word!r}")

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def session(profile: str, code: str, server: ForkServer | None = None) -> Iterator[SessionProcess]:
    """Run a session; it is killed at the end if it still runs."""
    one = SessionProcess(profile, code, server)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.kill()


def running(profile: str) -> dict[int, str]:
    """Return the processes of a profile's clusters, by pid: whoever started them."""
    found = {}
    folder = os.fsencode(f"/profile_{profile}")
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - a third of the time
        with contextlib.suppress(OSError):
            # A zombie has neither a command nor an environment.
            command, environment = (_content(pid, name) for name in ("cmdline", "environ"))
            named = any(
                variable.startswith(b"IPP_PROFILE_DIR=") and variable.endswith(folder)
                for variable in (environment.split(b"\0") if folder in environment else ())
            )
            if named or folder + b"/" in command:  # the guard has it in its command
                found[int(pid)] = os.fsdecode(command.rstrip(b"\0").replace(b"\0", b" "))
    return found


def _content(pid: str, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        return file.read()


def wait_until_gone(profile: str, seconds: float = LIMIT_SECONDS) -> None:
    """Wait until no process of a profile's clusters runs.

    To look at all processes takes 5 ms and more; those that were found are looked at meanwhile.
    """

    found: set[int] = set()

    def gone() -> bool:
        nonlocal found
        found = {pid for pid in found if is_running(pid)} or set(running(profile))
        return not found

    wait_until(gone, seconds)
