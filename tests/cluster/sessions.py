"""Sessions in processes of their own, to be ended in every way, and a look at what they leave."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import psutil

from tests.support.waiting import wait_until

__all__ = ["SessionProcess", "running", "session", "wait_until"]

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
    """A Python process with a manager of its own.

    Parameters
    ----------
    profile : str
        Its profile.
    code : str
        What it does with ``manager``; ``tell(word)`` tells how far it is.
    """

    def __init__(self, profile: str, code: str) -> None:
        source = PROLOGUE.format(profile=profile) + code
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
def session(profile: str, code: str) -> Iterator[SessionProcess]:
    """Run a session; it is killed at the end if it still runs."""
    one = SessionProcess(profile, code)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.kill()


def running(profile: str) -> dict[int, str]:
    """Return the processes of a profile's clusters, by pid: whoever started them."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment, command = process.environ(), process.cmdline()
            folder = f"/profile_{profile}"
            named = environment.get("IPP_PROFILE_DIR", "").endswith(folder)
            guard = any(f"{folder}/" in word for word in command)
            if (named or guard) and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = " ".join(command)
    return found
