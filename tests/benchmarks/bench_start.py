"""P7: a start from nothing; P13: what an idle cluster costs; A1: to ask where there is none.

Each start is a fresh process with a fresh home, so that nothing is loaded yet, on either
side. The other side is ipyparallel's own `Cluster` and VisTrails started on its engines
as its bundled package did; without our repairs that does not run on a current Python, so
both sides have them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from tests.benchmarks.measure import REPEATS, Row, say
from tests.support.home import FORGET

# Long enough to average over many heartbeats (0.3 s) and the system's 10 ms clock ticks.
IDLE_SECONDS = 20.0
# A guard against a hang; a start takes seconds.
LIMIT_SECONDS = 300.0

OURS = """
import time
begin = time.perf_counter()
from parallelflow.engine_manager import get_manager
manager = get_manager()
manager.start_engines(2)
seconds = time.perf_counter() - begin
ready = "__import__('vistrails.core.application').core.application.get_vistrails_application()"
assert manager.connect()[:].apply_sync(eval, f"{ready} is not None") == [True, True]
print(seconds)
manager.stop()
"""

OTHER = """
import time
begin = time.perf_counter()
import ipyparallel
cluster = ipyparallel.Cluster(n=2, log_level=40)
client = cluster.start_and_connect_sync()
def plain():
    from parallelflow import host
    host.activate()
    import vistrails.core.application
    vistrails.core.application.init({"executionLog": False, "spawned": True}, args=[])
client[:].apply_sync(plain)
print(time.perf_counter() - begin)
cluster.stop_cluster_sync()
"""

IDLE = """
import contextlib, json, os, psutil, sys, time
from parallelflow.engine_manager import get_manager
from parallelflow.engine_manager.system.processes import TOKEN_VARIABLE
manager = get_manager()
manager.start_engines(2)
time.sleep(3)
def used(processes):
    return sum(sum(p.cpu_times()[:2]) for p in processes)
[token] = manager.cluster.tokens()
others = []
for process in psutil.process_iter():
    with contextlib.suppress(psutil.Error):
        if process.environ().get(TOKEN_VARIABLE) == token:
            others.append(process)
def measure(look):
    here, there, begin = used([psutil.Process()]), used(others), time.perf_counter()
    while (passed := time.perf_counter() - begin) < {seconds}:
        time.sleep(1)
        look()
    shares = used([psutil.Process()]) - here, used(others) - there
    return [100 * share / passed for share in shares]
print(json.dumps([measure(lambda: None), measure(manager.info)]))
manager.stop()
"""


# A connection file whose controller has gone, and one whose port is another program's.
ASK = """
import json, os, socket, time
from pathlib import Path
security = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "security"
security.mkdir(parents=True)
file = security / "ipcontroller-client.json"
mute = socket.socket()
mute.bind(("127.0.0.1", 0))
def leave(port):
    file.write_text(json.dumps({"interface": "tcp://127.0.0.1", "registration": port}))
    file.chmod(0o600)
def seconds():
    begin = time.perf_counter()
    assert api.get_client(ask=False) is None
    return time.perf_counter() - begin
leave(mute.getsockname()[1])
from parallelflow import api
first, again = seconds(), seconds()
mute.listen()
print(json.dumps([first, again, seconds()]))
"""


def rows(wanted: Iterable[str] = ("P7", "P13", "A1")) -> list[dict[str, Any]]:
    """Measure the rows.

    Parameters
    ----------
    wanted : iterable of str
        Of ``P7``, ``P13`` and ``A1``.

    Returns
    -------
    list of dict
        The fields of `Row`.
    """
    measure = {"P7": _start, "P13": _idle, "A1": _ask}
    with tempfile.TemporaryDirectory(prefix="pf-bench-") as compiled:
        return [asdict(measure[name](compiled)) for name in wanted if name in measure]


def _start(compiled: str) -> Row:
    say("P7 two engines from nothing, against ipyparallel's Cluster and a plain VisTrails start")
    for code in (OURS, OTHER):
        run_in_fresh_process(code, compiled)
    ours, other = [], []
    for number in range(REPEATS):
        ours.append(float(run_in_fresh_process(OURS, compiled)))
        other.append(float(run_in_fresh_process(OTHER, compiled)))
        say(f"   {number + 1}: {ours[-1]:.2f} s, {other[-1]:.2f} s")
    against = "ipyparallel.Cluster + VisTrails' own start"
    mine, theirs = statistics.median(ours), statistics.median(other)
    return Row("P7", "start 2 engines until VisTrails is ready", mine, theirs, "s", against, 0.35)


def _idle(compiled: str) -> Row:
    say("P13 an idle cluster of two engines, held open")
    code = IDLE.replace("{seconds}", str(IDLE_SECONDS))
    alone, looked_at = json.loads(run_in_fresh_process(code, compiled))
    say(f"   client {alone[0]:.2f} %, controller, engines and guard {alone[1]:.2f} %")
    say(f"   with information each second: {looked_at[0]:.2f} %, {looked_at[1]:.2f} %")
    what = "idle cluster with information each second, client"
    return Row("P13", what, looked_at[0], 0.0, "%", "one core", 1.0)


def _ask(compiled: str) -> Row:
    say("A1 get_client(ask=False) on a profile whose controller has gone")
    run_in_fresh_process(ASK, compiled)
    turns = [json.loads(run_in_fresh_process(ASK, compiled)) for _ in range(REPEATS)]
    first, again, mute = (1000 * statistics.median(turn) for turn in zip(*turns, strict=True))
    say(f"   first call {first:.0f} ms, second {again:.1f} ms, port that is mute {mute:.0f} ms")
    what = "get_client(ask=False), stale profile, a process' first call"
    return Row("A1", what, first, 0.0, "ms", "", 100.0)


def run_in_fresh_process(code: str, compiled: str, limit: float = LIMIT_SECONDS) -> str:
    """Run a program with a home of its own; return its last line.

    Both sides run from compiled files, as an installation has them.

    Parameters
    ----------
    code : str
        The program.
    compiled : str
        A folder for compiled files.
    limit : float
        How long it may take, seconds.

    Raises
    ------
    RuntimeError
        With what it wrote to its standard error, if it failed.
    """
    with tempfile.TemporaryDirectory(prefix="pf-bench-", ignore_cleanup_errors=True) as home:
        forget = (*FORGET, "PYTHONDONTWRITEBYTECODE")
        environment = {k: v for k, v in os.environ.items() if k not in forget}
        environment |= {"HOME": home, "IPYTHONDIR": f"{home}/ipython"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        command = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.splitlines()[-1]
