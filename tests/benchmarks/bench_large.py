"""Large inputs, elements and results, beside joblib; a new array in each turn.

joblib keeps what it has written of an array it knows, so that a second turn with the same one
would measure nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy

from parallelflow.engine_manager import EngineManager
from parallelflow.work import mapping, sendable
from tests.benchmarks.measure import Row, alternate, say
from tests.support.workflows import PARALLEL_FLOW, Workflow, constant, map_part, mapped, run, source

ENGINES = 2
MANY_ENGINES = 8
NUMBERS = 25_000_000  # 200 MB
ELEMENT = 1_000_000  # 8 MB


def read(i: int, array: Any) -> float:
    return float(array[i])


def total(array: Any) -> float:
    return float(array.sum())


def make(i: int) -> Any:
    return numpy.full(ELEMENT, float(i))


def p8(client: Any) -> list[Row]:
    """A large array on another port of the function."""
    say("P8 a 200 MB array on another port")
    from vistrails.core.interpreter.cached import CachedInterpreter

    arrays = _new_arrays()
    wanted = [float(i) for i in range(64)]

    def ours() -> float:
        CachedInterpreter.get().flush()  # what it frees is of the turn before
        begin = time.perf_counter()
        workflow = Workflow(
            [source("o = float(a[i]) - a[-1]", ("i", "a")), map_part(), constant(list(range(64))),
             constant(next(arrays))],
            [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "a")],
        )  # fmt: skip
        result = run(workflow, PARALLEL_FLOW, log=False, flush=False)
        seconds = time.perf_counter() - begin
        assert len(result.values[1]) == len(wanted), result.errors
        return seconds

    def push() -> None:
        client[:].push({"a": next(arrays)}, block=True)

    with joblib.Parallel(n_jobs=ENGINES) as parallel:

        def theirs() -> None:
            array = next(arrays)
            assert len(parallel(joblib.delayed(read)(i, array) for i in range(64))) == len(wanted)

        mine, pushed, other = alternate(ours, push, theirs)
    client[:].execute("del a", block=True)
    work = "200 MB on another port, 64 elements"
    return [
        Row("P8", work, mine, other, "s", "joblib", 1.0),
        Row("P8", work, mine, pushed, "s", "one DirectView.push of it", 0.15),
    ]


def p9(client: Any) -> list[Row]:
    """Large results."""
    say("P9 64 results of 8 MB")
    workflow = mapped(source(f"import numpy\no = numpy.full({ELEMENT}, float(i))"), list(range(64)))
    view = client.load_balanced_view()

    def ours() -> None:
        values = run(workflow, PARALLEL_FLOW, log=False).values[1]
        assert len(values) == 64 and values[-1][0] == 63.0

    def apply() -> None:
        answers = [view.apply_async(make, i) for i in range(64)]
        assert len([answer.get() for answer in answers]) == 64
        client.purge_local_results("all")

    with joblib.Parallel(n_jobs=ENGINES) as parallel:

        def theirs() -> None:
            assert len(parallel(joblib.delayed(make)(i) for i in range(64))) == 64

        mine, applied, other = alternate(ours, apply, theirs)
    return [
        Row("P9", "64 results of 8 MB", mine, other, "s", "joblib", 0.6),
        Row("P9", "64 results of 8 MB", mine, applied, "s", "ipyparallel apply", 0.3),
    ]


def p14(client: Any) -> list[Row]:
    """Large elements."""
    say("P14 64 elements of 8 MB")
    numbers = itertools.count()

    def elements() -> list[Any]:
        begin = float(next(numbers))
        return [numpy.full(ELEMENT, begin + i) for i in range(64)]

    def ours() -> None:
        values = mapping.map_on_cluster(client, total, [(each,) for each in elements()])
        assert len(values) == 64

    with joblib.Parallel(n_jobs=ENGINES) as parallel:

        def theirs() -> None:
            assert len(parallel(joblib.delayed(total)(each) for each in elements())) == 64

        mine, other = alternate(ours, theirs)
    return [Row("P14", "64 elements of 8 MB", mine, other, "s", "joblib", 1.0)]


def p15() -> list[Row]:
    """The memory that engines need for a large array together."""
    say("P15 memory of a 200 MB array on 8 engines")
    manager = EngineManager(profile="memory")
    manager.configure(engines=MANY_ENGINES, private=True)
    try:
        client = manager.ensure_engines()
        array = numpy.arange(NUMBERS, dtype=float)
        before = _memory(client, numpy.ones(9))
        growth = _memory(client, array) - before
    finally:
        manager.stop()
    work = f"memory of a 200 MB array on {MANY_ENGINES} engines"
    return [Row("P15", work, growth / 1e6, array.nbytes / 1e6, "MB", "the array", 1.2)]


def _memory(client: Any, array: Any) -> float:
    """Return the proportional memory of all engines while each has read an array, bytes."""
    function, elements = sendable.with_constants(
        _proportional_memory, (range(8 * MANY_ENGINES), itertools.repeat(array))
    )
    pairs = zip(*elements, strict=False)
    found = dict(mapping.map_on_cluster(client, function, pairs, chunk_size=1))
    assert len(found) == MANY_ENGINES, "an engine has computed nothing"
    return float(sum(found.values()))


def _proportional_memory(_: int, array: Any) -> tuple[int, int]:
    import time

    array.sum()
    time.sleep(0.5)  # until the others have read it, too
    text = Path("/proc/self/smaps_rollup").read_text()
    return os.getpid(), int(re.findall(r"Pss: +(\d+) kB", text)[0]) * 1024


def _new_arrays() -> Iterator[Any]:
    for number in itertools.count():
        yield numpy.arange(number, number + NUMBERS, dtype=float)
