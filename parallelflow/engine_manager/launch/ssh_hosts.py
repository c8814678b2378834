"""Engines of other machines by ssh: hosts side by side, one connection for each.

ipyparallel 9.2 opens nine connections for each engine, one after the other. Here a host is sent
one script, which makes the profile's folder, writes the connection file and starts the host's
engines. They are forked by `host_engines`, which loads their libraries once; where that cannot be
run, each is a program of its own. `ssh_watch` looks which of them still run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ipyparallel.cluster import launcher as ipp_launcher

from parallelflow.system.safe_files import read_text

from . import host_engines

__all__ = [
    "MOST_AT_ONCE",
    "NO_PYTHON",
    "HostFailed",
    "command_to",
    "kill_command",
    "launchers_by_host",
    "start_hosts_side_by_side",
]

# A host that is up answers within a second or two; through several hops in some more.
CONNECT_SECONDS = 20
# What a host's script does takes a second or two; libraries and a home on a slow file server may
# take much longer.
START_SECONDS = 180.0
# Hosts that are asked at once.
MOST_AT_ONCE = 64

ENGINE = ["-m", "ipyparallel.engine"]
END = "END_OF_OUTPUTS"
NO_PYTHON = "__no_python__"
"""What a script prints where the engines' Python is missing."""


class HostFailed(Exception):
    """Engines could not be started on some hosts; the text names each with its reason."""


def start_hosts_side_by_side() -> None:
    """Let ipyparallel's ssh launcher start the engines of all hosts at once."""
    ipp_launcher.SSHEngineSetLauncher.start = _start


async def _start(self: Any, n: int) -> list[str]:
    """Start engines on their hosts; in the place of ``SSHEngineSetLauncher.start``."""
    hosts = launchers_by_host(self, n)
    starts = [_HostStart(location, engines) for location, engines in hosts.items()]
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(min(len(starts), MOST_AT_ONCE)) as pool:
        running = [loop.run_in_executor(pool, start.run) for start in starts]
        try:
            failed = [error for error in await asyncio.gather(*running) if error]
        except BaseException:  # cancelled: what is under way is not waited for
            for start in starts:
                start.give_up()
            raise
    if failed:
        raise HostFailed("; ".join(failed))
    self.n = sum(map(len, hosts.values()))
    self.notify_start(list(self.launchers))
    return list(self.launchers)


def launchers_by_host(self: Any, n: int) -> dict[str, list[Any]]:
    """Make ipyparallel's launcher of each engine, as its own ``start`` does.

    Parameters
    ----------
    self : SSHEngineSetLauncher
        With the machines.
    n : int
        How many engines, at the most.

    Returns
    -------
    dict of str to list of SSHEngineLauncher
        By the machine as it is written in the configuration.
    """
    traits = set(self.traits(config=True)) & set(self.launcher_class.class_traits(config=True))
    traits -= {"location", "user", "hostname", "to_send", "to_fetch"}
    traits |= {"profile_dir", "cluster_id"}
    hosts: dict[str, list[Any]] = {}
    for name, given in self.engines.items():
        overrides = dict(given) if isinstance(given, dict) else {}
        number = overrides.pop("n", 1) if isinstance(given, dict) else given
        user, _, rest = name.rpartition("@")
        host, _, port = rest.partition(":")
        for i in range(min(int(number), n - len(self.launchers))):
            options = {trait: getattr(self, trait) for trait in traits} | overrides
            key = f"{name}/{i}"
            engine = self.launcher_class(**options, parent=self, identifier=key)
            engine.user, engine.hostname = user, host
            engine.ssh_args = [*engine.ssh_args, *(["-p", port] if port else [])]
            engine.remote_output_file = "/".join(
                (engine.remote_profile_dir, "log", f"ipengine-{self.engine_set_id}-{host}-{i}.log")
            )
            engine.on_stop(self._notice_engine_stopped)
            self.launchers[key] = engine
            hosts.setdefault(name, []).append(engine)
    return hosts


def command_to(engine: Any) -> list[str]:
    """Return the command that runs a script on an engine's host; it asks nobody for a password."""
    command = [*map(str, engine.ssh_cmd), *map(str, engine.ssh_args)]
    if Path(command[0]).name == "ssh":
        command[1:1] = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"]
    return [*command, engine.location, "sh", "-s"]


class _HostStart:
    """The start of one host's engines."""

    def __init__(self, name: str, engines: list[Any]) -> None:
        self._name = name
        self._engines = engines
        self._process: subprocess.Popen[str] | None = None
        self._given_up = False

    def run(self) -> str:
        """Start them; return what has failed, with the host's name, or nothing."""
        try:
            script = _start_script(self._engines)
            if self._given_up:
                return f"{self._name}: given up"
            self._process = subprocess.Popen(
                command_to(self._engines[0]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            output, error = self._process.communicate(script, START_SECONDS)
        except subprocess.TimeoutExpired:
            self.give_up()
            return f"{self._name}: it has not answered for {START_SECONDS:.0f} s"
        except OSError as e:
            return f"{self._name}: {e}"
        for number, pid in host_engines.STARTED.findall(output):
            engine = self._engines[int(number)]
            engine.pid = int(pid)
            engine.notify_start({"host": engine.location, "pid": engine.pid})
        if all(engine.state == "running" for engine in self._engines):
            return ""
        if NO_PYTHON in output:
            return f"{self._name}: there is no {self._engines[0].engine_cmd[0]}"
        said = " ".join((error.strip() or output.strip()).split())
        return f"{self._name}: {said or f'ssh ended with code {self._process.returncode}'}"

    def give_up(self) -> None:
        self._given_up = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()


def _start_script(engines: Sequence[Any]) -> str:
    """Return shell that starts engines of one host and prints their process ids."""
    first = engines[0]
    folder = first.remote_profile_dir
    program = shlex.quote(first.engine_cmd[0])
    lines = ["umask 077", f"command -v {program} >/dev/null || {{ echo {NO_PYTHON}; exit 1; }}"]
    folders = [f"{folder}/{name}" for name in ("security", "log", "pid", "startup")]
    lines.append(f"mkdir -p {shlex.join(folders)} || exit 1")
    for local, remote in first.to_send:
        lines += _written(Path(local), remote)
    lines += _forked(engines)
    for number, engine in enumerate(engines):
        command = shlex.join([*engine.program, *engine.program_args])
        given = _environment(engine)
        lines.append(
            f"nohup {given} {command} > {shlex.quote(engine.remote_output_file)} 2>&1 "
            f"</dev/null & echo __started {number} $!__"
        )
    return "\n".join([*lines, ""])


def _forked(engines: Sequence[Any]) -> list[str]:
    """Return shell that starts them by `host_engines`, and goes on if that cannot be."""
    first = engines[0]
    python, *module = first.program
    if module != ENGINE:
        return []  # the profile has a command of its own
    command = shlex.join([python, "-m", host_engines.__name__, module[-1], *first.program_args])
    outputs = json.dumps([engine.remote_output_file for engine in engines])
    start = f"nohup {_environment(first)} {command} 2>/dev/null"
    return [f"{start} <<'{END}' && exit", outputs, END]


def _environment(engine: Any) -> str:
    """Return the beginning of a command that gives a program an engine's environment."""
    return shlex.join(["env", *(f"{k}={v}" for k, v in engine.get_env().items())])


def _written(local: Path, remote: str) -> list[str]:
    """Return shell that writes a file; where homes are shared, it is there already."""
    end = f"END_{os.urandom(8).hex()}"
    target = shlex.quote(remote)
    content = read_text(local)
    return [
        f"cat > {target}.new <<'{end}' || exit 1",
        content.removesuffix("\n"),
        end,
        f"if cmp -s {target}.new {target}; then rm {target}.new; else mv {target}.new {target}; fi",
    ]


def kill_command(engine: Any, pids: Iterable[int]) -> tuple[str, ...]:
    """Return the command that ends engines of one host, if their process ids are still theirs."""
    each = "if ps -o args= -p $p | grep -q ipyparallel; then kill $p; fi"
    script = f"for p in {' '.join(map(str, pids))}; do {each}; done"
    return (*command_to(engine)[:-2], script)
