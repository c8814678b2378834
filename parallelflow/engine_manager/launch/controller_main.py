"""A controller of ours, as a process: ipyparallel's own, which computes less at start and end.

Of what a controller computes from its start to its end, half is Python's search for garbage among
its libraries, also in each of the processes that it forks, and to take them down at the end.
Only local controllers start this way; other launchers start ``python -m ipyparallel.controller``.

Run as ``python -m parallelflow.engine_manager.launch.controller_main [ARGUMENTS]``: arguments of
ipcontroller.
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

from parallelflow.system import collection
from parallelflow.system.process_end import leave

from ..system.ipyparallel_load import load_ipyparallel

__all__ = ["main"]


def main() -> None:
    """Run a controller to its end."""
    collection.spare_start()
    _fork_processes()
    load_ipyparallel()
    from ipyparallel.controller.app import IPController

    start = IPController.start

    def start_loaded(self: Any) -> None:
        collection.end_start()  # before it forks its processes, which share what is loaded
        start(self)

    IPController.start = start_loaded
    code = 0
    try:
        IPController.launch_instance()
    except SystemExit as e:
        if not isinstance(e.code, int | None):
            raise  # Python writes what it says
        code = e.code or 0
    leave(code)


def _fork_processes() -> None:
    """Have the controller make its processes as forks on Linux.

    From Python 3.14 on they would begin as new processes there, which import all that they need
    once more.
    """
    methods = multiprocessing.get_all_start_methods()  # the first one is this Python's own
    if sys.platform == "linux" and methods[0] != "fork":
        multiprocessing.set_start_method("fork")


if __name__ == "__main__":
    main()
