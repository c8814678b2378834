"""Engines of this machine, started several at once: one process loads their libraries, forks them.

ipyparallel 9.2 starts a Python for each, which computes for half a second to load what all of them
have in common, and keeps it in memory of its own. `host_engines` is that one process; where it
cannot fork, or has not started them for another reason, each engine is a program of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import psutil
from ipyparallel.cluster import launcher as ipp_launcher

from ..system.module_command import module_command
from ..system.processes import record_of
from . import host_engines

__all__ = ["ForkedEngine", "fork_engines_of_this_machine"]

# One engine alone has nothing to share; of more than these, a pipe does not hold all that is told.
FEWEST, MOST = 2, 1000
# Loading takes half a second; libraries on a slow file server may take much longer.
START_SECONDS = 100.0
LOOK_SECONDS = 0.01
# How often it is looked whether an engine still runs, where the system does not tell it.
END_LOOK_SECONDS = 1.0

_start_one_by_one = ipp_launcher.LocalEngineSetLauncher.start


def fork_engines_of_this_machine() -> None:
    """Let ipyparallel's launcher of local engines fork those of one start."""
    ipp_launcher.LocalEngineSetLauncher.start = _start


async def _start(self: Any, n: int) -> Any:
    """Start engines; in the place of ``LocalEngineSetLauncher.start``."""
    own = module_command(host_engines.LOCAL_ENGINE)  # the profile may have a command of its own
    shared = FEWEST <= n <= MOST and self.engine_cmd[: len(own)] == own
    if not shared or not sys.platform.startswith("linux"):
        return _start_one_by_one(self, n)
    engines = _launchers(self, n)
    await _fork(engines)
    if all(engine.state == "before" for engine in engines):
        self.launchers.clear()
        return _start_one_by_one(self, n)
    self.n = n
    pids = [engine.pid for engine in engines]
    self.notify_start(pids)
    return pids


def _launchers(self: Any, n: int) -> list[ForkedEngine]:
    """Make the launcher of each engine, as ipyparallel's own ``start`` does."""
    name = f"ipengine-{self.cluster_id}-{self.engine_set_id}"
    for number in range(n):
        engine = self.launchers[str(number)] = ForkedEngine(
            work_dir=self.work_dir,
            parent=self,
            log=self.log,
            profile_dir=self.profile_dir,
            cluster_id=self.cluster_id,
            environment=self.environment,
            identifier=str(number),
            output_file=str(Path(self.profile_dir) / "log" / f"{name}-{number}.log"),
        )
        engine.engine_cmd = list(self.engine_cmd)
        engine.engine_args = list(self.engine_args)
        engine.on_stop(self._notice_engine_stopped)
    return list(self.launchers.values())


async def _fork(engines: Sequence[ForkedEngine]) -> None:
    """Run the process that forks engines, until it has ended; those that it has started run then.

    If this is cancelled, those run that had begun.
    """
    first = engines[0]
    arguments = first.args[len(module_command(host_engines.LOCAL_ENGINE)) :]
    with (
        contextlib.suppress(OSError),
        Popen(
            [*module_command(host_engines.__name__), host_engines.LOCAL_ENGINE, *arguments],
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**os.environ, **first.get_env()},
            cwd=first.work_dir,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        try:
            with process.stdin:
                process.stdin.write(json.dumps([one.output_file for one in engines]).encode())
            deadline = time.monotonic() + START_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
            # To its end, which each engine holds open until it has opened its log instead: that
            # is made private next.
            told = process.stdout.read().decode(errors="replace")
            for number, pid in host_engines.STARTED.findall(told):
                engines[int(number)].take(int(pid))


class ForkedEngine(ipp_launcher.LocalEngineLauncher):
    """The launcher of an engine that another process has started.

    As this one is not its parent, its exit code is not known, and who is its parent may leave it as
    a zombie, for whose end psutil would wait.
    """

    def take(self, pid: int) -> None:
        """Take a process for the engine's; look when it ends."""
        self.pid = pid
        self._record = record_of(pid, "engine")
        with contextlib.suppress(psutil.Error):  # it may have ended
            self.process = psutil.Process(pid)
        self.notify_start(pid)
        self._start_waiting()

    def _wait(self) -> None:
        """Wait until the engine has ended, in a thread of its own."""
        while not self._stop_waiting.is_set() and self.poll() is None:
            _wait_for_end(self.pid, self.poll_seconds)
        ended = {"exit_code": None, "pid": self.pid, "identifier": self.identifier}
        self.loop.add_callback(lambda: self.notify_stop(ended))

    def poll(self) -> str | None:
        """Return None while it runs."""
        return None if self._record is not None and self._record.alive() else "unknown"

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _wait_for_end(pid: int, seconds: float) -> None:
    """Wait until a process has ended, or for some time, or for a moment."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # an old system; it has ended; too many open files
        time.sleep(END_LOOK_SECONDS)
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(1000 * seconds)
    finally:
        os.close(descriptor)
