"""The benchmark: ``python -m tests.benchmarks [ROWS] [--json FILE]``.

Prints one table of ratios, each measured side by side in this run. It asserts nothing
about time: a bar that is missed is printed as missed. A row that cannot be measured is
told, costs no other row, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import atexit
import importlib
import json
import os
import platform
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Row, say
from tests.support.home import make_home

ALL = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14",
       "P15", "P16", "P17", "P18", "P19", "A1"]  # fmt: skip
# Rows that start clusters or windows of their own, in files of their own.
OWN = {"P7": "bench_start", "P13": "bench_start", "A1": "bench_start", "P11": "bench_window",
       "P16": "bench_scale"}  # fmt: skip


def main() -> None:
    """Measure the rows that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ALL)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    options = parser.parse_args()
    wanted = [row.upper() for row in options.rows] or ALL
    unknown = set(wanted) - set(ALL)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    # Registered first, it runs last: what others do at the end needs the folder.
    atexit.register(shutil.rmtree, make_home(), ignore_errors=True)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    failed: dict[str, str] = {}
    rows = [*_on_one_cluster(wanted, failed), *_on_their_own(wanted, failed)]
    rows.sort(key=lambda row: ALL.index(row.id))
    _print(rows)
    if options.json:
        table: dict[str, Any] = {"cores": os.cpu_count(), "python": platform.python_version()}
        table["rows"] = [row.to_dict() for row in rows]
        options.json.write_text(json.dumps(table, indent=1) + "\n")
    for row, trace in failed.items():
        say(f"{row} could not be measured:\n{trace}")
    sys.exit(1 if failed else 0)


def _on_one_cluster(wanted: list[str], failed: dict[str, str]) -> list[Row]:
    """Measure what needs two warm engines and VisTrails' core."""
    from parallelflow import host
    from tests.benchmarks import (
        bench_checkpoints,
        bench_exploration,
        bench_large,
        bench_lists,
        bench_map,
        bench_run,
    )  # fmt: skip

    plain: dict[str, Callable[[], list[Row]]] = {
        "P1": bench_map.p1, "P2": bench_map.p2, "P3": bench_map.p3, "P10": bench_map.p10,
        "P15": bench_large.p15, "P17": bench_exploration.p17, "P18": bench_lists.p18,
        "P19": bench_checkpoints.p19,
    }  # fmt: skip
    with_client: dict[str, Callable[[Any], list[Row]]] = {
        "P4": bench_run.p4, "P5": bench_run.p5, "P6": bench_run.p6,
        "P8": bench_large.p8, "P9": bench_large.p9, "P12": bench_map.p12,
        "P14": bench_large.p14,
    }  # fmt: skip
    if not set(wanted) & {*plain, *with_client}:
        return []
    from parallelflow.engine_manager import get_manager

    host.start_core()
    manager = get_manager()
    manager.configure(engines=2, private=True)
    try:
        client = manager.ensure_engines()
        rows = []
        # P10 last: a million elements leave their mark on the memory of this process.
        for row in sorted(set(wanted), key=lambda r: (r == "P10", ALL.index(r))):
            if row in plain:
                rows += _attempt(row, plain[row], failed)
            elif row in with_client:
                rows += _attempt(row, partial(with_client[row], client), failed)
        return rows
    finally:
        manager.stop()


def _attempt(id_: str, measure: Callable[[], list[Row]], failed: dict[str, str]) -> list[Row]:
    """Measure a row; note in `failed` why it could not be measured."""
    try:
        return measure()
    except Exception:
        failed[id_] = traceback.format_exc()
        return []


def _on_their_own(wanted: list[str], failed: dict[str, str]) -> list[Row]:
    rows: list[Row] = []
    for row in wanted:
        if row in OWN:
            module = importlib.import_module(f"tests.benchmarks.{OWN[row]}")
            rows += _attempt(row, partial(_rows_of, module, row, wanted), failed)
    return rows


def _rows_of(module: Any, row: str, wanted: list[str]) -> list[Row]:
    """Return what a file measures for a row, and with it for others that are wanted."""
    return [Row(**found) for found in module.rows([row]) if found["id"] in wanted]


def _print(rows: list[Row]) -> None:
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| id | work | ours | other side | ratio | bar | |")
    print("|---|---|---:|---:|---:|---:|---|")
    for row in rows:
        other = f"{_value(row.other, row.unit)} ({row.against})" if row.other else ""
        ratio = f"{row.ratio:.3f}" if row.other else ""
        mark = "reached" if row.reached else "MISSED"
        print(
            f"| {row.id} | {row.work} | {_value(row.ours, row.unit)} | {other} | {ratio} "
            f"| {row.bar:g} | {mark} |"
        )


def _value(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB" if value > 1e5 else f"{value:.0f} bytes"
    return f"{value:.3g} {unit}"


if __name__ == "__main__":
    main()
