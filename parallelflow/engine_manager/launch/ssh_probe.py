"""What the machines of the launcher ssh say of themselves: asked by ssh alone, all at once."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ipyparallel.cluster import launcher as ipp_launcher

from .launchers import cluster_of
from .ssh_hosts import NO_PYTHON, command_to, launchers_by_host

__all__ = ["HostAnswer", "probe_hosts"]

# A host that is up answers within a second or two; VisTrails may lie on a slow file server.
PROBE_SECONDS = 60.0
LOOK_SECONDS = 0.05
MOST_BYTES = 100_000
# What comes before the answer: a login may print what it likes.
MARK = "__probe__"


@dataclass(frozen=True)
class HostAnswer:
    """What a machine has said.

    Attributes
    ----------
    host : str
        The machine, as the configuration has it.
    fault : str
        Why it has said nothing, empty if it has.
    told : dict
        What the program has answered.
    """

    host: str
    fault: str = ""
    told: dict[str, Any] = field(default_factory=dict)


def probe_hosts(
    profile_folder: Path, program: str, check: Callable[[], object] = lambda: None
) -> list[HostAnswer]:
    """Run a program by the engines' Python on every machine that the launcher ssh knows.

    Parameters
    ----------
    profile_folder : Path
        The profile's folder.
    program : str
        Its source; it leaves a dictionary of what JSON can tell in ``told``.
    check : callable
        Called while the machines are waited for; raises if the user has given up.
    """
    cluster = cluster_of(profile_folder)
    launcher = ipp_launcher.SSHEngineSetLauncher(
        parent=cluster, profile_dir=str(profile_folder), cluster_id=""
    )
    probes: list[_Probe] = []
    deadline = time.monotonic() + PROBE_SECONDS
    try:
        for host, engines in launchers_by_host(launcher, sys.maxsize).items():
            probes.append(_Probe(host, engines[0], program))
        while not all(probe.has_ended() for probe in probes) and time.monotonic() < deadline:
            check()
            time.sleep(LOOK_SECONDS)
        return [probe.answer() for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class _Probe:
    """The question to one machine; its program and what it says are in files, so nothing waits."""

    def __init__(self, host: str, engine: Any, program: str) -> None:
        self._host = host
        self._command = command_to(engine)
        self._python = shlex.quote(engine.engine_cmd[0])
        self._files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115 - `close`
        self._process: subprocess.Popen[bytes] | None = None
        self._fault = ""
        end = f"END_{os.urandom(8).hex()}"
        lines = [
            f"command -v {self._python} >/dev/null || {{ echo {NO_PYTHON}; exit 1; }}",
            f"{self._python} - <<'{end}'",
            program,
            f"import json\nprint({MARK!r} + json.dumps(told))",
            end,
            "",
        ]
        self._files[0].write("\n".join(lines).encode())
        self._files[0].seek(0)
        stdin, stdout, stderr = self._files
        try:
            self._process = subprocess.Popen(
                self._command, stdin=stdin, stdout=stdout, stderr=stderr
            )
        except OSError as e:
            self._fault = f"{self._command[0]} cannot be run: {e.strerror}"

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def answer(self) -> HostAnswer:
        if self._process is None:
            return HostAnswer(self._host, self._fault)
        if not self.has_ended():
            return HostAnswer(self._host, f"it has not answered for {PROBE_SECONDS:.0f} s")
        output, error = (self._read(file) for file in self._files[1:])
        if NO_PYTHON in output:
            return HostAnswer(self._host, f"there is no {self._python}")
        _, mark, told = output.rpartition(MARK)
        if mark:
            return HostAnswer(self._host, told=json.loads(told))
        said = " ".join((error.strip() or output.strip()).split()).removeprefix(f"{self._host}: ")
        ended = f"{self._command[0]} ended with code {self._process.returncode}"
        return HostAnswer(self._host, said or ended)

    @staticmethod
    def _read(file: IO[bytes]) -> str:
        file.seek(0)
        return file.read(MOST_BYTES).decode(errors="replace")

    def close(self) -> None:
        if self._process is not None and not self.has_ended():
            self._process.kill()
            self._process.wait()
        for file in self._files:
            file.close()
