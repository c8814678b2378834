"""P16: many engines of this machine: how busy they are, and how long they take to start.

The elements sleep, so that engines need no cores of their own: what keeps them from sleeping all
the time is what the session, the controller and the engines compute for each chunk. The other side
is as many processes that only sleep: on a machine with other work they wake up late, too. Each
number of engines has fresh processes with a fresh home, and one turn: a start of 128 engines takes
two cores a minute and more.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import psutil

from tests.benchmarks.bench_start import run_in_fresh_process
from tests.benchmarks.measure import Row, say

# How many engines, and the part of their time that they are to sleep at the least.
BARS = {16: 0.95, 64: 0.9, 128: 0.85}
# What each engine sleeps in all, and for one element.
WORK_SECONDS, ELEMENT_SECONDS = 30.0, 0.1
# From so many engines on the start is compared, with so much more time than ipyparallel takes.
COMPARED, START_BAR = 64, 1.2
# What an engine with VisTrails and its nanny take, and some more.
ENGINE_BYTES = 100e6
# So long ipyparallel may take; its registrations fail where engines get too little of the cores.
OTHER_SECONDS = 300
# A guard against a hang.
LIMIT_SECONDS = 1200.0

OURS = """
import json, resource, time
from parallelflow import api
from parallelflow.engine_manager import get_manager
from parallelflow.engine_manager.model.starts import Stage
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
manager = get_manager()
manager.configure(engines={n})
begin = time.perf_counter()
manager.start_engines({n}, until=Stage.REGISTERED)
started = time.perf_counter() - begin
client = manager.connect()
client[:].apply_sync(str)
ready = time.perf_counter() - begin
api.parallel_map(time.sleep, [0.01] * {n} * 20)  # warm
elements = [{element}] * round({n} * {work} / {element})
begin, before = time.perf_counter(), cpu()
api.parallel_map(time.sleep, elements)
wall, used = time.perf_counter() - begin, cpu() - before
print(json.dumps([started, ready, wall, used]))
manager.stop()
"""

PLAIN = """
import os, time
begin = time.perf_counter()
for _ in range({n}):
    if os.fork() == 0:
        for _ in range(round({work} / {element})):
            time.sleep({element})
        os._exit(0)
for _ in range({n}):
    os.wait()
print(time.perf_counter() - begin)
"""

OTHER = """
import os, time
begin = time.perf_counter()
import ipyparallel, psutil
cluster = ipyparallel.Cluster(n={n}, log_level=40, engine_timeout={limit})
try:
    client = cluster.start_and_connect_sync()
    assert len(client.ids) == {n}
    print(time.perf_counter() - begin, flush=True)
finally:  # not by stop_cluster: that takes minutes
    for process in psutil.Process().children(recursive=True):
        process.kill()
os._exit(0)
"""


def rows(wanted: Iterable[str] = ("P16",)) -> list[dict[str, Any]]:
    """Measure the rows.

    Parameters
    ----------
    wanted : iterable of str
        Of ``P16``.

    Returns
    -------
    list of dict
        The fields of `Row`.
    """
    if "P16" not in wanted:
        return []
    with tempfile.TemporaryDirectory(prefix="pf-bench-") as compiled:
        return [asdict(row) for n in BARS if _has_room(n) for row in _measure(n, compiled)]


def _has_room(n: int) -> bool:
    """Return whether this machine has the memory for so many engines; tell if not."""
    free = psutil.virtual_memory().available
    if free < n * ENGINE_BYTES:
        say(f"P16 is not measured with {n} engines: {free / 1e9:.1f} GB of memory are free")
    return free >= n * ENGINE_BYTES


def _measure(n: int, compiled: str) -> list[Row]:
    say(f"P16 {n} engines that sleep for {WORK_SECONDS:g} s each")
    sizes = {"n": n, "work": WORK_SECONDS, "element": ELEMENT_SECONDS}
    code = OURS.format(**sizes)
    started, ready, wall, used = json.loads(run_in_fresh_process(code, compiled, LIMIT_SECONDS))
    plain = float(run_in_fresh_process(PLAIN.format(**sizes), compiled, LIMIT_SECONDS))
    say(f"   started in {started:.1f} s, all answer after {ready:.1f} s")
    say(f"   {wall:.1f} s, session {used:.1f} s of CPU; processes that only sleep {plain:.1f} s")
    work = f"{n} engines, elements of {ELEMENT_SECONDS:g} s that sleep"
    found = [Row("P16", work, wall, plain, "s", "processes that only sleep", 1 / BARS[n])]
    if n >= COMPARED:
        found += _compare_start(n, started, compiled)
    return found


def _compare_start(n: int, started: float, compiled: str) -> list[Row]:
    """Return the row of a start; none where ipyparallel's own does not end well."""
    code = OTHER.format(n=n, limit=OTHER_SECONDS)
    try:
        theirs = float(run_in_fresh_process(code, compiled, LIMIT_SECONDS))
    except RuntimeError as e:
        say(f"   ipyparallel.Cluster does not start as many: {str(e).splitlines()[-1]}")
        return []
    say(f"   ipyparallel.Cluster starts as many in {theirs:.1f} s")
    against = f"ipyparallel.Cluster({n})"
    return [Row("P16", f"start {n} engines", started, theirs, "s", against, START_BAR)]
