"""A long run in a process of its own, which may be killed: a Map, or a `parallel_map`.

``python -m tests.checkpoints.long_run FOLDER ELEMENTS SECONDS [KIND] [CONSTANT]`` works through
its elements and writes what it has into ``FOLDER/result``. Each element adds its number to
``FOLDER/computed``, with the time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CODE = """
import os, time
time.sleep({seconds})
line = '%d %.3f\\n' % (i, time.time())
file = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(file, line.encode())
os.close(file)
o = i * {constant} + c
"""


def write(folder: Path, values: Any) -> None:
    """Write what has come, at once: a kill from here on comes after the end of the run."""
    new = folder / "result.new"
    new.write_text(json.dumps(values))
    new.replace(folder / "result")


def run_map(folder: Path, elements: int, seconds: float, constant: int) -> None:
    """Run a Map over a range; write its values, or errors."""
    from parallelflow import host
    from parallelflow.engine_manager import get_manager
    from tests.support.workflows import PARALLEL_FLOW, Workflow, map_part, run, source
    from tests.support.workflows import constant as given

    host.start_core()
    manager = get_manager()
    manager.configure(engines=2, private=True)
    manager.ensure_engines()
    print("ready", flush=True)
    code = CODE.format(seconds=seconds, file=str(folder / "computed"), constant=constant)
    parts = [source(code, ("i", "c")), map_part(), given(list(range(elements))), given(7)]
    connections = [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "c")]
    try:
        result = run(Workflow(parts, connections), PARALLEL_FLOW)
        write(folder, result.values.get(1) if not result.errors else str(result.errors))
    finally:
        manager.stop()


def run_api(folder: Path, elements: int, seconds: float, constant: int) -> None:
    """Run a `parallel_map` in this process; write its values."""
    import time

    from parallelflow.api import parallel_map

    def work(i: int) -> int:
        time.sleep(seconds)
        with (folder / "computed").open("a") as stream:
            stream.write(f"{i} {time.time():.3f}\n")
        return i * constant + 7

    print("ready", flush=True)
    write(folder, parallel_map(work, range(elements), checkpoint="numbers"))


def main() -> None:
    """Run, and write the values."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder, elements, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    kind = sys.argv[4] if len(sys.argv) > 4 else "map"
    constant = int(sys.argv[5]) if len(sys.argv) > 5 else 3
    (run_map if kind == "map" else run_api)(folder, elements, seconds, constant)


if __name__ == "__main__":
    main()
