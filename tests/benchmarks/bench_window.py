"""P11 and the window's half of P13: VisTrails' real window while a cluster works or idles.

Run as a program it is that window: ``python -m tests.benchmarks.bench_window STEP ...``.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import REPEATS, say

ROOT = Path(__file__).parents[2]
# A guard against deadlocks, for all steps together.
SECONDS = 600.0
# How often the window's event loop is to turn while it is watched; finer than what is looked for.
TICK_MS = 2
# What a window does once, when it opens, is over by then.
SETTLE_SECONDS = 3.0
# How long the idle window is watched.
IDLE_SECONDS = 20.0

PANEL = "the same with the {} of the panel Runs open, 100 000 elements"

BAR_MS = 100.0
BAR_PERCENT = 1.0


def rows(wanted: Iterable[str] = ("P11", "P13")) -> list[dict[str, Any]]:
    """Return the lines of the table that need a window; one walk measures them all."""
    say("P11, P13 in VisTrails' window, offscreen")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "maps.vt"
        _run("tests.gui.make_vistrail", str(file), "computing", "many")
        steps = [
            "gaps_while_engines_start",
            "gaps_while_a_map_runs",
            "cpu_of_an_idle_window",
            "gaps_beside_the_panel",
        ]
        said = _run(
            "tests.benchmarks.bench_window", *steps, "quit_by_menu_unsaved", "--", str(file)
        )
    found: dict[str, list[float]] = {}
    for line in said.splitlines():
        if line.startswith("{"):
            found.update(json.loads(line))
    for name, values in found.items():
        say(f"   {name}: {', '.join(f'{value:.3g}' for value in values)}")

    def row(id_: str, name: str, unit: str, bar: float) -> dict[str, Any]:
        ours = statistics.median(found[name])
        return {
            "id": id_, "work": name, "ours": ours, "other": 0.0, "unit": unit, "against": "",
            "bar": bar,
        }  # fmt: skip

    return [
        row("P11", "longest gap in the window's event loop, P3", "ms", BAR_MS),
        row("P11", "the same while a Map has engines started", "ms", BAR_MS),
        row("P11", PANEL.format("rows"), "ms", BAR_MS),
        row("P11", PANEL.format("timeline"), "ms", BAR_MS),
        row("P13", "CPU of the idle window with 2 engines", "%", BAR_PERCENT),
        row("P13", "the same with the information open", "%", BAR_PERCENT),
    ]


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"the window failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Gaps:
    """The longest time between two turns of the event loop, from now on."""

    def __init__(self) -> None:
        from PyQt5.QtCore import Qt, QTimer

        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.timeout.connect(self._turn)
        self._timer.start(TICK_MS)

    def _turn(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def end(self) -> float:
        """Return it, ms."""
        self._turn()
        self._timer.stop()
        return self.longest * 1000


def _steps() -> None:
    """Add the steps to those of the window's tests."""
    from parallelflow.engine_manager import get_manager
    from tests.gui import window_steps as steps
    from tests.host import window_steps as base

    def measured(tag: str = "computing") -> float:
        gaps = Gaps()
        (result,) = steps.execute(tag)
        assert not result.errors, [e.msg for e in result.errors.values()]
        return gaps.end()

    @base.step
    def gaps_while_engines_start() -> Iterator[None]:
        base.manager().get_package(base.OURS).configuration.askToStart = False
        base.manager().get_package(base.OURS).configuration.engines = 2
        yield from _sleep(SETTLE_SECONDS)
        found = []
        for _ in range(REPEATS):
            found.append(measured())
            done: list[bool] = []
            _in_thread(get_manager().stop, done)
            yield from steps.until(functools.partial(bool, done), "the cluster's end")
        print(json.dumps({"the same while a Map has engines started": found}), flush=True)

    @base.step
    def gaps_while_a_map_runs() -> Iterator[None]:
        measured()
        found = []
        for _ in range(REPEATS):
            yield
            found.append(measured())
        print(json.dumps({"longest gap in the window's event loop, P3": found}), flush=True)

    @base.step
    def gaps_beside_the_panel() -> Iterator[None]:
        from PyQt5.QtWidgets import QDockWidget

        steps.entry(steps.RUNS).trigger()
        yield
        panel: Any = base.window().findChild(QDockWidget, "parallelflow-runs").widget()
        for tab, name in enumerate(("rows", "timeline")):
            panel.tabs.setCurrentIndex(tab)
            found = []
            for _ in range(REPEATS):
                yield
                found.append(measured("many"))
                assert panel.model.rowCount() == 100_000
            print(json.dumps({PANEL.format(name): found}), flush=True)

    @base.step
    def cpu_of_an_idle_window() -> Iterator[None]:
        for name in ("CPU of the idle window with 2 engines", "the same with the information open"):
            if "open" in name:
                steps.entry(steps.INFORMATION).trigger()
                yield from steps.opened("ClusterWindow")
            yield from _sleep(SETTLE_SECONDS)
            begin, used = time.monotonic(), time.process_time()
            # A timer of ours would count as the window's.
            yield from _sleep(IDLE_SECONDS)
            share = (time.process_time() - used) / (time.monotonic() - begin) * 100
            print(json.dumps({name: [share]}), flush=True)


def _in_thread(work: Any, done: list[bool]) -> None:
    import threading

    def run() -> None:
        work()
        done.append(True)

    threading.Thread(target=run, daemon=True).start()


def _sleep(seconds: float) -> Iterator[None]:
    """Wait without the steps' own timer, whose turns would count as the window's work."""
    from PyQt5.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(int(seconds * 1000), loop.quit)
    loop.exec_()
    yield


if __name__ == "__main__":
    _steps()
    from tests.gui import window_steps

    window_steps.DEADLINE_SECONDS = int(SECONDS)
    window_steps.main()
