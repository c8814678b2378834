"""Which engines of other machines have ended, or are about to, while they register: by ssh."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .ssh_hosts import MOST_AT_ONCE, command_to

__all__ = ["TIMED_OUT", "EndedEngine", "SshWatch"]

# While its engines register, a host looks at them once a second, and tells at once what it finds.
# One connection is for so many looks; nothing is left there of one that is cut.
LOOKS = 20
# Between two connections to a host, at the least.
CONNECTION_SECONDS = 3.0
LOG_BYTES = 6000
# What an engine writes a second before it ends, as it has found nobody at the controller's address.
TIMED_OUT = "registration timed out"
# A connection that has told nothing for so long is given up.
HOST_SECONDS = 90.0

ENDED = re.compile(r"__ended (\d+)__\n(.*?)__end__", re.DOTALL)


@dataclass(frozen=True)
class EndedEngine:
    """An engine of another host that has ended: where, its process id there, and its log."""

    host: str
    pid: int
    log: str


class SshWatch:
    """Looks now and then, in the background, which engines of other hosts have ended.

    Parameters
    ----------
    launchers : sequence of SSHEngineLauncher
        The engines.
    """

    def __init__(self, launchers: Sequence[Any]) -> None:
        hosts: dict[tuple[str, ...], list[Any]] = {}
        for one in launchers:
            hosts.setdefault(tuple(command_to(one)), []).append(one)
        self._hosts = list(hosts.values())
        self._ended: dict[tuple[str, int], EndedEngine] = {}
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._looks: set[subprocess.Popen[str]] = set()
        self._thread: threading.Thread | None = None

    def ended(self) -> list[EndedEngine]:
        """Return those that have ended, or are about to; begins to look when it is first called."""
        if self._thread is None and self._hosts and not self._closed.is_set():
            self._thread = threading.Thread(target=self._look, name="parallelflow-ssh", daemon=True)
            self._thread.start()
        return list(self._ended.values())

    def close(self) -> None:
        """Look no more."""
        with self._lock:
            self._closed.set()
            for look in self._looks:
                look.kill()

    def _look(self) -> None:
        pause = 0.0
        with ThreadPoolExecutor(min(len(self._hosts), MOST_AT_ONCE)) as pool:
            while not self._closed.wait(pause):
                began = time.monotonic()
                list(pool.map(self._look_at, self._hosts))
                pause = max(CONNECTION_SECONDS - (time.monotonic() - began), 0.0)

    def _look_at(self, engines: list[Any]) -> None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            output = self._run(command_to(engines[0]), _look_script(engines))
            by_pid = {one.pid: one for one in engines}
            for pid, log in ENDED.findall(output):
                one = by_pid[int(pid)]
                one.state = "after"  # by which its `poll` knows
                self._ended[one.location, one.pid] = EndedEngine(one.hostname, one.pid, log.strip())

    def _run(self, command: list[str], script: str) -> str:
        """Return what a script writes on a host; nothing once nobody wants to know."""
        with self._lock:
            if self._closed.is_set():
                return ""
            look = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
            self._looks.add(look)
        try:
            return look.communicate(script, HOST_SECONDS)[0]
        finally:
            look.kill()
            look.wait()
            with self._lock:
                self._looks.discard(look)


def _look_script(engines: Sequence[Any]) -> str:
    """Return shell that looks at engines of one host until one of them has ended, or for a while.

    What it writes at each look ends it when nobody listens any more.
    """
    logs = [shlex.quote(one.remote_output_file) for one in engines]
    search = f"grep -qi {shlex.quote(TIMED_OUT)}"
    return f"""
look() {{
    if kill -0 $1 2>/dev/null && {{ [ $late = 0 ] || ! {search} "$2" 2>/dev/null; }}; then
        return
    fi
    found=1
    echo __ended $1__; tail -c {LOG_BYTES} "$2"; echo; echo __end__
}}
looks={LOOKS} found=0
while [ $looks -gt 0 ] && [ $found = 0 ]; do
    sleep 1
    echo || exit
    late=0
    {search} {" ".join(logs)} 2>/dev/null && late=1
    {"; ".join(f"look {one.pid} {log}" for one, log in zip(engines, logs, strict=True))}
    looks=$((looks - 1))
done
"""
