"""``parallelflow`` on a machine, with a profile whose controller all machines reach."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.batch import Slurm
from tests.support.machines import Machines

__all__ = ["Command", "make_profile", "slurm_profile"]

LIMIT_SECONDS = 240.0


def make_profile(machines: Machines, name: str, cluster: str, ip: str = "10.77.0.1") -> Path:
    """Make a profile on the head; return its folder as this machine sees it."""
    folder = machines.home("head") / ".ipython" / f"profile_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    controller = f"c = get_config()\nc.IPController.ip = {ip!r}\n"
    (folder / "ipcontroller_config.py").write_text(controller)
    (folder / "ipcluster_config.py").write_text(f"c = get_config()\n{cluster}\n")
    return folder


def slurm_profile(slurm: Slurm, name: str, more: str = "") -> Path:
    """Make a profile whose engines are jobs of a Slurm."""
    chosen = 'c.Cluster.engine_launcher_class = "slurm"\n'
    return make_profile(slurm.machines, name, chosen + more)


class Command:
    """A command on a machine, by this Python as a rule; what it has written is in `text`."""

    def __init__(
        self,
        machines: Machines,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        name: str = "head",
        program: Sequence[str] = (sys.executable,),
    ) -> None:
        self._file = machines.folder / f"output-{time.monotonic_ns()}"
        self._began = time.monotonic()
        with self._file.open("w") as output:
            self.process = machines.popen(
                name, *program, *arguments, stdout=output, env=env or machines.environment()
            )

    @classmethod
    def parallelflow(cls, machines: Machines, *arguments: str, **options: object) -> Command:
        """Start the ``parallelflow`` command."""
        return cls(machines, "-m", "parallelflow", *arguments, **options)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """What it has written so far, to both streams."""
        return self._file.read_text()

    @property
    def seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._began

    def wait(self, seconds: float = LIMIT_SECONDS) -> int:
        """Return its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end in {seconds} s:\n{self.text}") from None

    def wait_for(self, words: str, seconds: float = LIMIT_SECONDS) -> None:
        """Wait until it has written some words."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            ended = self.process.poll() is not None and words not in self.text
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"it did not write {words!r}:\n{self.text}")
            time.sleep(0.05)

    def interrupt(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        # nsenter passes nothing on: the command itself is its child.
        import psutil

        for child in psutil.Process(self.process.pid).children():
            child.send_signal(signal.SIGINT)
        return self.wait()
