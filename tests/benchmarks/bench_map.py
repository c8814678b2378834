"""Map against Control Flow's Map in the same process."""

from __future__ import annotations

import os
import statistics
import threading
import time
from typing import Any

import psutil

from tests.benchmarks.measure import Row, alternate, say, seconds
from tests.support.workflows import (
    CONTROL_FLOW,
    PARALLEL_FLOW,
    Part,
    Workflow,
    group,
    mapped,
    run,
    source,
)

ENGINES = 2
PAUSE = """
import time
end = time.perf_counter() + 0.02
x = 0
while time.perf_counter() < end:
    x += 1
o = i
"""


def both(workflow: Workflow) -> tuple[float, float]:
    """Return the medians of ours and of the serial Map; both must give the same.

    The time is that of VisTrails' execution; what the tests make of the log is no part of it.
    """
    values = []

    def one(package: str) -> float:
        result = run(workflow, package)
        assert not result.errors, result.errors
        values.append(result.values[1])
        assert values[-1] == values[0]
        return result.seconds

    ours, serial = alternate(lambda: one(PARALLEL_FLOW), lambda: one(CONTROL_FLOW))
    return ours, serial


def against_serial(
    identifier: str, work: str, function: Part, elements: list[Any], bar: float
) -> Row:
    """Return a row that compares with Control Flow's Map."""
    say(f"{identifier} {work}")
    ours, serial = both(mapped(function, elements))
    return Row(identifier, work, ours, serial, "s", "Control Flow's Map", bar)


def p1() -> list[Row]:
    """10 000 small elements."""
    function = source("o = i * i")
    work = "10 000 x PythonSource o = i * i, log on"
    return [against_serial("P1", work, function, list(range(10_000)), 0.12)]


def p2() -> list[Row]:
    """2 000 small Groups."""
    function = group([source("o = i * 2")], [], {"i": (0, "i")}, {"o": (0, "o")})
    return [against_serial("P2", "2 000 x Group of three", function, list(range(2_000)), 0.08)]


def p3() -> list[Row]:
    """200 elements of 20 ms."""
    work = "200 x 20 ms of Python"
    return [against_serial("P3", work, source(PAUSE), list(range(200)), 0.52)]


def p10() -> list[Row]:
    """A million elements."""
    say("P10 1 000 000 elements (about two minutes)")
    function = source("o = i")

    def per_element(n: int) -> float:
        workflow = mapped(function, list(range(n)))
        return seconds(lambda: check(run(workflow, PARALLEL_FLOW, log=False), n)) / n

    def check(result: Any, n: int) -> None:
        assert result.values[1][-1] == n - 1 and len(result.values[1]) == n

    few = statistics.median(per_element(10_000) for _ in range(5))
    process = psutil.Process()
    workflow = mapped(function, list(range(1_000_000)))
    before = process.memory_info().rss
    peak = _Peak(process)
    begin = time.perf_counter()
    result = run(workflow, PARALLEL_FLOW, log=False)
    many = (time.perf_counter() - begin) / 1_000_000
    check(result, 1_000_000)
    # The list's own slots and its numbers; small ones are shared by Python.
    own = 1_000_000 * (8 + 32)
    growth = max(0.0, peak.stop() - before - own) / 1_000_000
    return [
        Row("P10", "1 000 000 elements: per element", many * 1e6, few * 1e6, "us",
            "the same at 10 000", 1.0),
        Row("P10", "1 000 000 elements: client's growth each", growth, 0, "bytes", "", 50),
    ]  # fmt: skip


class _Peak:
    """Samples a process' memory in a thread."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak


def p12(client: Any) -> list[Row]:
    """A second Map of the same function."""
    say("P12 a small Map on warm engines")
    workflow = mapped(source("o = i"), [1, 2])

    def ours() -> None:
        # A PythonSource is never cached; emptying VisTrails' caches is no part of a Map.
        assert run(workflow, PARALLEL_FLOW, flush=False).values[1] == [1, 2]

    view = client[0]
    mine, other = alternate(ours, lambda: view.apply_sync(os.getpid), repeats=21)
    work = "second Map run of 2 elements"
    return [Row("P12", work, mine * 1e3, other * 1e3, "ms", "one apply round trip", 2)]
