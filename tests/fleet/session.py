"""A session that maps over elements which note that they were run; what it returns, as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def element(index: int, folder: str, seconds: float, killer: int) -> int:
    import os
    import time

    begun = sorted(Path(folder).glob(f"{index}-*"))
    (Path(folder) / f"{index}-{time.monotonic_ns()}").touch()
    if index == killer and len(begun) < 3:
        os.kill(os.getpid(), 9)
    time.sleep(seconds)
    return index * index


def main(
    profile: str, n: int, folder: str, seconds: float, killer: int = -1, stay: float = 0.0
) -> None:
    from functools import partial

    from parallelflow import api, progress
    from parallelflow.engine_manager import get_manager

    manager = get_manager()
    manager.configure(profile)
    manager.connect()

    def show(snapshot: progress.Snapshot) -> None:
        print(snapshot.done, snapshot.state.value, snapshot.note, flush=True)

    progress.listen(show)
    began = time.monotonic()
    values = api.parallel_map(
        partial(element, folder=folder, seconds=seconds, killer=killer), range(n), chunk_size=1
    )
    print("RESULT", json.dumps({"values": values, "seconds": time.monotonic() - began}), flush=True)
    time.sleep(stay)


if __name__ == "__main__":
    given = sys.argv[1:] + ["-1", "0"][len(sys.argv) - 5 :]
    main(given[0], int(given[1]), given[2], float(given[3]), int(given[4]), float(given[5]))
