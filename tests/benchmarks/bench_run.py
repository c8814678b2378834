"""The same scheduling without VisTrails, against what else a user could pick."""

from __future__ import annotations

import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import joblib

from parallelflow.work.mapping import map_on_cluster
from tests.benchmarks.measure import Row, alternate, say

ENGINES = 2


def spend(seconds: float) -> float:
    """Compute for a time."""
    end = time.perf_counter() + seconds
    x = 0
    while time.perf_counter() < end:
        x += 1
    return seconds


def ours(client: Any, times: list[float]) -> None:
    values = map_on_cluster(client, spend, [(t,) for t in times])
    assert values == times


def p4(client: Any) -> list[Row]:
    """Against the pools."""
    say("P4 200 x 20 ms against the pools")
    times = [0.02] * 200
    view = client.load_balanced_view()
    with (
        multiprocessing.get_context("spawn").Pool(ENGINES) as pool,
        ProcessPoolExecutor(ENGINES, mp_context=multiprocessing.get_context("spawn")) as executor,
        joblib.Parallel(n_jobs=ENGINES) as parallel,
    ):
        peers = {
            "multiprocessing.Pool.map": lambda: pool.map(spend, times),
            "ProcessPoolExecutor.map": lambda: list(executor.map(spend, times)),
            "joblib": lambda: parallel(joblib.delayed(spend)(t) for t in times),
            "LoadBalancedView.map": lambda: view.map_sync(spend, times),
        }
        mine, *others = alternate(lambda: ours(client, times), *peers.values())
    best = min(range(len(others)), key=others.__getitem__)
    for name, other in zip(peers, others, strict=True):
        say(f"   {name}: {other:.3f} s, ours {mine:.3f} s")
    name = f"the fastest, {list(peers)[best]}"
    return [Row("P4", "200 x 20 ms without VisTrails", mine, others[best], "s", name, 1.03)]


def p5(client: Any) -> list[Row]:
    """Elements of very different lengths."""
    say("P5 200 elements of 2 to 200 ms")
    numbers = random.Random(5)
    times = [min(0.2, 0.002 * numbers.paretovariate(0.7)) for _ in range(200)]
    least = max(sum(times) / ENGINES, max(times))
    (mine,) = alternate(lambda: ours(client, times))
    work = "200 elements of 2 to 200 ms, heavy-tailed"
    return [Row("P5", work, mine, least, "s", "max(total / engines, longest)", 1.05)]


def p6(client: Any) -> list[Row]:
    """Many short elements."""
    say("P6 4 000 x 1 ms")
    times = [0.001] * 4_000
    view = client.load_balanced_view()
    with joblib.Parallel(n_jobs=ENGINES) as parallel:
        mine, single, theirs = alternate(
            lambda: ours(client, times),
            lambda: view.map(spend, times, chunksize=1).get(),
            lambda: parallel(joblib.delayed(spend)(t) for t in times),
        )
    return [
        Row("P6", "4 000 x 1 ms", mine, single, "s", "LoadBalancedView.map(chunksize=1)", 0.15),
        Row("P6", "4 000 x 1 ms", mine, theirs, "s", "joblib", 1.0),
    ]
