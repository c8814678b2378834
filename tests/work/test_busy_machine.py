"""A cancel on a machine so busy that processes with something to do get no core."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.engine_manager.system.core_waits import CoreWaits
from parallelflow.work import interrupt
from parallelflow.work.run import Run
from tests.support.clusters import engine_pids
from tests.support.waiting import BUSY_SECONDS, wait_until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="this system does not tell who waits"
)

COMPUTE = "print(flush=True)\nwhile True: pass"
SLEEP = "import time; print(flush=True); time.sleep(600)"


@contextlib.contextmanager
def programs(code: str, count: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start programs; they have begun when they are given."""
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for one in started:
            assert one.stdout is not None
            one.stdout.readline()
        yield started
    finally:
        for one in started:
            with one:
                one.kill()


@contextlib.contextmanager
def without_core(pid: int) -> Iterator[Callable[[], None]]:
    """Keep a process' main thread from getting a core until what this gives is called."""
    core = min(os.sched_getaffinity(0))
    with programs(f"import os; os.sched_setaffinity(0, [{core}])\n{COMPUTE}", 4) as others:
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setaffinity(pid, [core])
        wait_until(lambda: not gets_core(pid))  # it may keep the one that it has for a while

        def end() -> None:
            for other in others:
                other.kill()

        yield end


def begin_to_compute(client: Any, folder: Path, heedless: bool = False) -> tuple[Run, int]:
    """Return a run whose one element computes and does not end, and its engine's process.

    No interrupt ends a heedless one, whatever core it gets.
    """
    pids = engine_pids(client)

    def compute() -> None:
        if heedless:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        (folder / str(os.getpid())).touch()
        while True:
            pass

    pool = EnginePool(relays=lambda engines: {engine: [pids[engine]] for engine in engines})
    run = Run(client, plain_function, (lambda _: compute(),), [0], "test", pool=pool)
    while not (begun := list(folder.iterdir())):
        run.poll(0.05)
    return run, int(begun[0].name)


def test_an_engine_that_gets_no_core_is_not_taken_for_one_that_hangs(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not answer before the others end, which is after the time that it has."""
    monkeypatch.setattr(interrupt, "INTERRUPT_SECONDS", 0.2)
    monkeypatch.setattr(interrupt, "LONGEST_SECONDS", BUSY_SECONDS)
    run, pid = begin_to_compute(client, tmp_path)
    with without_core(pid) as end:
        others = threading.Timer(4 * interrupt.INTERRUPT_SECONDS, end)
        others.start()
        assert run.cancel() == []
        others.join()


def test_it_is_waited_for_no_longer_than_the_user_is(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupt, "INTERRUPT_SECONDS", 0.2)
    monkeypatch.setattr(interrupt, "LONGEST_SECONDS", 0.4)
    pids = engine_pids(client)
    # Now and then even a process without a core is given one for a moment.
    run, pid = begin_to_compute(client, tmp_path, heedless=True)
    with without_core(pid):
        [stuck] = run.cancel()
    assert pids[stuck] == pid
    os.kill(pid, signal.SIGKILL)


# -- what is known of processes --------------------------------------------------------------


def test_a_process_that_sleeps_waits_for_no_core() -> None:
    with programs(SLEEP) as [one]:
        process = psutil.Process(one.pid)
        wait_until(lambda: process.status() == psutil.STATUS_SLEEPING)
        waits = CoreWaits([one.pid])
        assert not any(look(waits, one.pid))


def test_a_process_that_computes_waits_only_while_it_does_not() -> None:
    with programs(COMPUTE) as [one]:
        process, begin, before = psutil.Process(one.pid), time.monotonic(), computed(one.pid)
        waits = CoreWaits([one.pid])
        wait_until(lambda: computed(one.pid) - before > 0.3)
        process.suspend()  # what it does not get from now on, it does not wait for
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
        seconds = time.monotonic() - begin
        assert all(waited < seconds - 0.2 for waited in look(waits, one.pid))


def test_a_process_that_gets_no_core_waits_all_the_time() -> None:
    with programs(COMPUTE) as [one], without_core(one.pid) as end:
        waits = CoreWaits([one.pid])
        wait_until(lambda: waits.seconds([one.pid]) > 0.2)
        end()
        wait_until(lambda: 0.2 < waits.seconds([one.pid]) < math.inf)


def test_of_a_process_that_has_ended_nothing_is_known() -> None:
    with programs(SLEEP) as [one]:
        waits = CoreWaits([one.pid])
        one.send_signal(signal.SIGKILL)
        one.wait()
        assert waits.seconds([one.pid]) == 0.0


def gets_core(pid: int) -> bool:
    """Return True if a process' main thread gets a core within 50 ms."""

    def had() -> int:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])

    before = had()
    time.sleep(0.05)
    return had() > before


def look(waits: CoreWaits, pid: int) -> Iterator[float]:
    for _ in range(5):
        yield waits.seconds([pid])
        time.sleep(0.025)


def computed(pid: int) -> float:
    return sum(psutil.Process(pid).cpu_times()[:2])
