"""Kills the sessions of a long run at random moments, until it has ended by itself.

``python -m tests.checkpoints.kills FOLDER KILLS [ELEMENTS]`` kills as often as it is told, with as
many runs as that takes, and tells what was computed twice.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.fork_server import ForkServer, Program

# What was computed so short a time before a kill may be computed again: it travels in chunks of
# half a second, which may take twice as long as expected, and is written within a second.
WRITTEN_SECONDS = 2.0
# So long engines go on after their session was killed; the next one takes longer to start.
ORPHANED_SECONDS = 1.5
# A guard against deadlocks.
END_SECONDS = 300.0


MODULE = "tests.checkpoints.long_run"
FORKED = f"""
import runpy, sys
sys.argv[1:] = {{arguments!r}}
runpy.run_module({MODULE!r}, run_name="__main__", alter_sys=True)
"""


@dataclass
class Report:
    """What has come of a run whose sessions were killed."""

    kills: int = 0
    sessions: int = 0
    resumed: int = 0
    wrong: int = 0
    twice: int = 0
    too_early: list[tuple[int, float]] = field(default_factory=list)


class Session:
    """A session that runs, see `start`.

    Parameters
    ----------
    process : subprocess.Popen or Program
        Its process.
    told : Path
        The file that it writes errors to.
    """

    def __init__(self, process: subprocess.Popen[str] | Program, told: Path) -> None:
        self.process = process
        self._told = told

    def end(self) -> str:
        """Wait for its end; return what it has told."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            stream.read()
        self.process.wait(END_SECONDS)
        return self._told.read_text()


def start(
    folder: Path, elements: int, seconds: float, *more: str, server: ForkServer | None = None
) -> Session:
    """Start a session, or fork it from a process with its libraries; return when it is ready."""
    arguments = [str(folder), str(elements), str(seconds), *more]
    told = folder / "told"
    process: subprocess.Popen[str] | Program
    with told.open("w") as errors:
        if server is not None:
            process = server.start_code(FORKED.format(arguments=arguments), errors.fileno())
        else:
            command = [sys.executable, "-m", MODULE, *arguments]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    for line in iter(process.stdout.readline, ""):
        if line.strip() == "ready":
            return Session(process, told)
    raise AssertionError(told.read_text())


def run_with_kills(
    folder: Path,
    kills: int,
    elements: int,
    seconds: float,
    kind: str,
    most: float,
    server: ForkServer | None = None,
) -> Report:
    """Run to the end, with so many kills before it; report. The first session starts anew."""
    report, killed_at = Report(), []
    while True:
        forked_from = server if report.sessions else None
        session = start(folder, elements, seconds, kind, server=forked_from)
        process = session.process
        report.sessions += 1
        if report.kills < kills:
            time.sleep(random.uniform(0.2, most))
            if process.poll() is None:
                process.kill()
                killed_at.append(time.time())
                report.kills += 1
        errors = session.end()
        report.resumed += "resuming the run of" in errors
        assert process.returncode in (0, -9), errors
        if (folder / "result").exists():
            break  # also if the kill came after the end of the run, which leaves nothing
    values = json.loads((folder / "result").read_text())
    report.wrong = (
        sum(value != i * 3 + 7 for i, value in enumerate(values)) + elements - len(values)
    )
    times: dict[int, list[float]] = defaultdict(list)
    for line in (folder / "computed").read_text().splitlines():
        index, _, at = line.partition(" ")
        times[int(index)].append(float(at))
    for number, each in times.items():
        report.twice += len(each) - 1
        for when in sorted(each)[:-1]:
            if not any(k - WRITTEN_SECONDS <= when <= k + ORPHANED_SECONDS for k in killed_at):
                report.too_early.append((number, when))
    return report


def main() -> None:
    """Kill, and print the reports."""
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    elements = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    done = 0
    while done < kills:
        report = run_with_kills(folder, min(kills - done, 10), elements, 0.01, "map", 4.0)
        done += report.kills
        print(report, flush=True)
        for name in ("computed", "result"):
            (folder / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
